"""How well writing and uploading hide behind the accelerator: `python -m tests.bench.overlap`.

The real service (API, worker, Postgres with fsync, local store) works tasks whose stages have known times.
Ideal is the longer of all time on the accelerator and all CPU time over the cores. The serial control does
the same without overlap, as a server does that writes the files of a job before it takes the next one.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from inference.audio.encode import encode
from inference.request import EngineOptions, GenerationRequest, ItemSpec
from tests.bench.stages import Stages, a_running_service, seconds_that_take
from tests.engines import StubEngine

TASKS = 50
FORMAT = "mp3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """What was measured; seconds.

    Attributes:
        span_s: from the first claim to the last commit.
        busy_s: the accelerator worked.
        writing_s: files were written, all tasks together.
        accelerator_span_s: from its first work to the end of its last.
        gaps_s: between two tasks on the accelerator.
        hidden: tasks that were still being written when the next one began on the accelerator.
    """

    span_s: float
    busy_s: float
    writing_s: float
    accelerator_span_s: float
    gaps_s: tuple[float, ...]
    hidden: int

    @property
    def idle_share(self) -> float:
        """Share of the accelerator's span in which it waited."""
        return 1.0 - self.busy_s / self.accelerator_span_s


def serial_s(stages: Stages, clip_s: float, tasks: int, folder: Path) -> float:
    """Return the seconds of so many tasks when each is written before the next one begins."""
    engine = StubEngine(EngineOptions(models=("stub",), models_dir=str(folder)))
    request = GenerationRequest(
        model="stub",
        items=(ItemSpec(prompt=stages.prompt(clip_s), lyrics="", seed=1),),
        duration=10.0,
        scratch_dir=str(folder),
    )
    begun = time.monotonic()
    for _ in range(tasks):
        (wave,) = engine.compute(request, lambda stage, done, total: None, lambda: False).waves
        encode(wave, index=0, audio_format=FORMAT, scratch_dir=folder)
    return time.monotonic() - begun


def judge(rows: Sequence[dict[str, Any]]) -> Overlap:
    """Put the rows of the finished tasks together."""
    rows = sorted(rows, key=lambda row: row["result"]["audit"]["accelerator"])
    work = [row["result"]["audit"]["accelerator"] for row in rows]
    writing_s = [row["result"]["seconds"]["saving"] for row in rows]
    claimed: datetime = min(row["started_at"] for row in rows)
    finished: datetime = max(row["finished_at"] for row in rows)
    return Overlap(
        span_s=(finished - claimed).total_seconds(),
        busy_s=sum(ended - begun for begun, ended in work),
        writing_s=sum(writing_s),
        accelerator_span_s=work[-1][1] - work[0][0],
        gaps_s=tuple(later[0] - earlier[1] for earlier, later in pairwise(work)),
        hidden=sum(
            later[0] < earlier[1] + seconds
            for (earlier, later), seconds in zip(pairwise(work), writing_s, strict=False)
        ),
    )


async def measure(stages: Stages, clip_s: float, tasks: int, folder: Path) -> Overlap:
    """Have the whole service work so many queued tasks."""
    async with a_running_service(folder) as running:
        for _ in range(tasks):
            await running.service.submit(
                prompt=stages.prompt(clip_s), audio_duration=10, batch_size=1, audio_format=FORMAT
            )
        await running.service.start("worker")
        return judge(await running.finished(tasks))


async def main() -> None:
    """Print the numbers of one run."""
    stages = Stages()
    with tempfile.TemporaryDirectory(prefix="acestep-bench-") as name:
        folder = Path(name)
        clip_s = seconds_that_take(stages.encode_s, folder, audio_format=FORMAT)
        control_s = serial_s(stages, clip_s, TASKS // 5, folder) * 5
        measured = await measure(stages, clip_s, TASKS, folder)
    ideal_s = stages.ideal_s(TASKS)
    gaps_ms = sorted(1000 * gap for gap in measured.gaps_s)
    print(
        f"{TASKS} tasks: {stages.accelerator_s:.3f} s on the accelerator, "
        f"{stages.encode_s:.3f} CPU-s to encode {clip_s} s of {FORMAT}\n"
        f"ideal            {ideal_s:6.2f} s\n"
        f"measured         {measured.span_s:6.2f} s   "
        f"measured / ideal {measured.span_s / ideal_s:.3f} (aim 1.05)\n"
        f"serial control   {control_s:6.2f} s   serial / ideal {control_s / ideal_s:.3f}\n"
        f"accelerator idle {100 * measured.idle_share:6.1f} %   "
        f"gap p50 {gaps_ms[len(gaps_ms) // 2]:.1f} ms, longest {gaps_ms[-1]:.1f} ms"
    )


if __name__ == "__main__":
    asyncio.run(main())
