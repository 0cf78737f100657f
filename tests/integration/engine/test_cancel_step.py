"""T9 in a child process: a cancel ends the job within a step, and leaves nothing behind for the next one."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from inference.request import EngineOptions, GenerationRequest, ItemSpec
from workers.slot import JobCancelled, Slot, SlotOptions

pytestmark = pytest.mark.inference

BASE = "acestep-tiny-random-base"
ITEMS = (
    ItemSpec(prompt="calm piano", lyrics="la", seed=3),
    ItemSpec(prompt="loud rock with many guitars", lyrics="", seed=4),
)


async def test_a_job_stops_within_one_step_and_the_next_one_is_as_on_a_fresh_child(
    models_dir: Path, tmp_path: Path
) -> None:
    job = GenerationRequest(
        model=BASE, items=ITEMS, duration=1.0, steps=3, audio_format="wav", scratch_dir=str(tmp_path)
    )
    # Everything that hangs itself into the model, and steps that last longer than a message.
    long = replace(
        job,
        task_type="cover",
        items=tuple(replace(item, audio_codes=(item.seed,) * 300) for item in ITEMS),
        cover_strength=0.04,
        steps=50,
        infer_method="sde",
        use_adg=True,
    )
    options = EngineOptions(models=(BASE,), models_dir=str(models_dir), device="cpu", threads=1)
    slot = Slot(SlotOptions(engine_options=options))
    await slot.start()
    reached: list[int] = []
    asked: list[asyncio.Task[None]] = []

    def on_progress(stage: str, done: int, total: int) -> None:
        if stage == "diffusing":
            reached.append(done)
            if done == 3:
                asked.append(asyncio.create_task(slot.cancel()))

    try:
        fresh = await slot.generate(job)
        with pytest.raises(JobCancelled):
            await slot.generate(long, on_progress=on_progress)
        assert reached in ([1, 2, 3], [1, 2, 3, 4])
        after = await slot.generate(job)
    finally:
        await slot.kill()
    assert [clip.sha256 for clip in after.clips] == [clip.sha256 for clip in fresh.clips]
