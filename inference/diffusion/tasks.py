"""The six tasks: what each of them works on, and the words that tell the model which one it is."""

from diffusers import AceStepPipeline
from diffusers.pipelines.ace_step.pipeline_ace_step import TASK_INSTRUCTIONS

from inference.request import GenerationRequest, ItemSpec

WITH_SOURCE = ("cover", "repaint", "lego", "extract", "complete")
WITH_WINDOW = ("repaint", "lego")
WITH_CODES = ("text2music", "cover")

TEXT_ONLY_INSTRUCTION: str = TASK_INSTRUCTIONS["text2music"]


def instruction_of(request: GenerationRequest, item: ItemSpec) -> str:
    """Return the instruction for one item, with the colon that the model knows at its end.

    The client's words win; else those of the task, with its tracks. Codes make a cover of text2music.
    """
    is_cover = request.task_type == "text2music" and item.audio_codes is not None
    words: str = item.instruction or AceStepPipeline._get_task_instruction(
        task_type="cover" if is_cover else request.task_type,
        track_name=request.track_name,
        complete_track_classes=list(request.track_classes),
    )
    return words if words.endswith(":") else f"{words}:"
