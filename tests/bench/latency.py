"""What the service adds to one job when nobody else is there: `python -m tests.bench.latency`.

From the request to the commit after which the whole wav of 60 s can be fetched, less the known time on the
accelerator. The wav is really encoded, hashed, copied into the store with fsync and committed.
"""

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.stages import Stages, a_running_service

TASKS = 30
CLIP_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """Seconds of one job: until its work began, after its work, and of the latter the encoding."""

    before_s: float
    after_s: float
    writing_s: float

    @property
    def total_s(self) -> float:
        """All that the service added."""
        return self.before_s + self.after_s


async def measure(tasks: int, folder: Path) -> list[Added]:
    """Submit one task after the other, each when the one before has ended."""
    stages, asked_at = Stages(), []
    async with a_running_service(folder) as running:
        await running.service.start("worker")
        for number in range(tasks):
            asked_at.append(time.time())
            await running.service.submit(
                prompt=stages.prompt(CLIP_S), audio_duration=CLIP_S, batch_size=1, audio_format="wav"
            )
            rows = await running.finished(number + 1)
    return [_added(row, asked) for row, asked in zip(rows, asked_at, strict=True)]


def _added(row: dict[str, Any], asked_at: float) -> Added:
    to_wall_clock = time.time() - time.monotonic()
    begun, ended = (moment + to_wall_clock for moment in row["result"]["audit"]["accelerator"])
    return Added(
        before_s=begun - asked_at,
        after_s=row["finished_at"].timestamp() - ended,
        writing_s=row["result"]["seconds"]["saving"],
    )


def _spread(seconds: list[float]) -> str:
    ordered = sorted(1000 * each for each in seconds)
    return f"p50 {ordered[len(ordered) // 2]:6.1f} ms   longest {ordered[-1]:6.1f} ms"


async def main() -> None:
    """Print the numbers of one run."""
    with tempfile.TemporaryDirectory(prefix="acestep-bench-") as name:
        added = (await measure(TASKS + 1, Path(name)))[1:]  # the first one warms up
    print(
        f"added by the service to one job, wav of {CLIP_S:.0f} s, {TASKS} jobs, queue empty\n"
        f"in all                         {_spread([each.total_s for each in added])} (aim p50 40 ms)\n"
        f"request to accelerator         {_spread([each.before_s for each in added])}\n"
        f"accelerator to playable        {_spread([each.after_s for each in added])}\n"
        f"of that, encoding and hashing  {_spread([each.writing_s for each in added])}"
    )


if __name__ == "__main__":
    asyncio.run(main())
