"""The words that tell the model its task; written out here, so that an upgrade of the library shows."""

from typing import Any

import pytest

from inference.diffusion.tasks import TEXT_ONLY_INSTRUCTION, instruction_of
from inference.request import GenerationRequest, ItemSpec


def told(task_type: str, *, instruction: str | None = None, codes: bool = False, **tracks: Any) -> str:
    item = ItemSpec(
        prompt="", lyrics="", seed=1, instruction=instruction, audio_codes=(1,) if codes else None
    )
    request = GenerationRequest(
        model="m", task_type=task_type, items=(item,), duration=None, scratch_dir="/scratch", **tracks
    )
    return instruction_of(request, item)


@pytest.mark.parametrize(
    ("task_type", "tracks", "expected"),
    [
        ("text2music", {}, "Fill the audio semantic mask based on the given conditions:"),
        ("cover", {}, "Generate audio semantic tokens based on the given conditions:"),
        ("repaint", {}, "Repaint the mask area based on the given conditions:"),
        ("extract", {"track_name": "backing_vocals"}, "Extract the BACKING_VOCALS track from the audio:"),
        ("extract", {}, "Extract the track from the audio:"),
        ("lego", {"track_name": "drums"}, "Generate the DRUMS track based on the audio context:"),
        ("lego", {}, "Generate the track based on the audio context:"),
        ("complete", {"track_classes": ("drums", "bass")}, "Complete the input track with DRUMS | BASS:"),
        ("complete", {}, "Complete the input track:"),
    ],
)
def test_every_task_has_its_words(task_type: str, tracks: dict[str, Any], expected: str) -> None:
    assert told(task_type, **tracks) == expected


@pytest.mark.parametrize("given", ["Sing it backwards", "Sing it backwards:"])
def test_the_clients_words_win_and_end_with_a_colon(given: str) -> None:
    assert told("lego", instruction=given, track_name="drums") == "Sing it backwards:"


def test_codes_make_a_cover_of_text2music() -> None:
    assert told("text2music", codes=True) == told("cover")
    assert told("text2music") == TEXT_ONLY_INSTRUCTION
