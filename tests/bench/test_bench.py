"""The benches in small, with bounds that only a lost property crosses: `make bench` has the numbers.

Other processes on the machine stretch the CPU part of a run as they like. So the bounds are wide, judge by
what the run itself took, and the best of three tries counts.
"""

from pathlib import Path

import pytest

from app.db.engine import Database
from app.domain.task import TeamId
from tests.bench import overhead, overlap
from tests.bench.stages import Stages, seconds_that_take
from tests.worker import a_worker

pytestmark = pytest.mark.inference

TRIES = 3


async def test_writing_hides_behind_the_accelerator(
    db: Database, team: TeamId, tmp_path: Path, database_url: str
) -> None:
    """One after the other, five such tasks would take 1.9 times the longer of both parts."""
    stages = Stages(text_s=0.005, dit_s=0.060, vae_s=0.020, encode_s=0.080)
    clip_s = seconds_that_take(stages.encode_s, tmp_path, audio_format=overlap.FORMAT)
    tries: list[tuple[float, int]] = []
    async with a_worker(db, team, tmp_path, url=database_url) as worker:
        while len(tries) < TRIES and not any(ratio <= 1.6 and hidden >= 3 for ratio, hidden in tries):
            ids = [await worker.submit(stages.prompt(clip_s), audio_format=overlap.FORMAT) for _ in range(5)]
            measured = overlap.judge([await worker.ended(task_id) for task_id in ids])
            ratio = measured.span_s / max(measured.busy_s, measured.writing_s)
            tries.append((ratio, measured.hidden))
    assert any(ratio <= 1.6 and hidden >= 3 for ratio, hidden in tries), tries


@pytest.mark.usefixtures("one_thread")
def test_the_engine_costs_little_beside_the_bare_pipeline(tmp_path: Path) -> None:
    """Fixed costs weigh more in a clip of two seconds than in the 60 s of the bench."""
    ratios: list[float] = []
    while len(ratios) < TRIES and min(ratios, default=2.0) > 1.4:
        measured = overhead.measure(tmp_path, duration_s=2.0, rounds=2)
        assert measured.difference < 1e-5, "both make the same clip"
        ratios.append(measured.cpu_ratio)
    assert min(ratios) <= 1.4, ratios
