"""What goes wrong in a child costs its own task at most; the worker takes the next one every time."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio

from app.db.engine import Database
from app.domain.task import TaskId, TeamId
from tests.builders import MODEL, a_task, a_team, a_worker_elsewhere
from tests.engines import PEAK_MEMORY_BYTES
from tests.worker import Worker, a_worker
from workers.pace import Pace

pytestmark = pytest.mark.inference

BROKEN = "tests.engines.BrokenUntil"


class Start(Protocol):
    def __call__(self, **options: Any) -> AbstractAsyncContextManager[Worker]: ...


@pytest.fixture
def start(db: Database, team: TeamId, tmp_path: Path, database_url: str) -> Start:
    def start(**options: Any) -> AbstractAsyncContextManager[Worker]:
        return a_worker(db, team, tmp_path, url=database_url, **options)

    return start


@pytest_asyncio.fixture
async def worker(start: Start) -> AsyncIterator[Worker]:
    async with start() as worker:
        yield worker


async def works(worker: Worker) -> None:
    assert (await worker.ended(await worker.submit("steps=2")))["status"] == "succeeded"


def mend(folder: Path) -> None:
    (folder / "models").mkdir(exist_ok=True)
    (folder / "models" / "mended").touch()


async def remedies(worker: Worker, task_id: TaskId) -> list[str]:
    """What was done about too little memory, once that is written."""

    async def noted() -> list[str]:
        events = await worker.events(task_id)
        return [data["remedy"] for event, data in events if event == "out_of_memory"]

    await worker.until(noted, what="a note in the history")
    return await noted()


async def test_what_needs_a_language_model_is_left_to_a_worker_that_offers_one(worker: Worker) -> None:
    await a_worker_elsewhere(worker.db, MODEL, language_model="lm")
    waiting = await a_task(worker.db, worker.team, needs_lm=True)
    await works(worker)
    assert (await worker.row(waiting))["status"] == "queued"


async def test_a_batch_that_does_not_fit_is_made_in_halves(worker: Worker) -> None:
    task_id = await worker.submit("fits=2", batch_size=4)
    row = await worker.ended(task_id)
    assert (row["status"], row["attempt"], row["result"]["audit"]["halved"]) == ("succeeded", 1, True)
    assert [item["index"] for item in row["result"]["items"]] == [0, 1, 2, 3]
    assert row["result"]["peak_memory_bytes"] == PEAK_MEMORY_BYTES
    assert await remedies(worker, task_id) == ["halves"]


async def test_a_task_that_fits_only_into_a_fresh_child_gets_one(worker: Worker) -> None:
    written = await worker.submit("clip=20", audio_format="mp3")
    stale = await worker.submit("stale")
    await worker.reached(written, "saving")
    child = worker.slot.pid
    row = await worker.ended(stale)
    assert (row["status"], row["attempt"], row["failures"]) == ("succeeded", 1, 0)
    assert row["result"]["audit"]["fresh_child"]
    assert worker.slot.pid != child
    assert await remedies(worker, stale) == ["fresh child"]
    neighbour = await worker.row(written)
    assert (neighbour["status"], neighbour["attempt"]) == ("succeeded", 1), "it was written before"


async def test_a_task_that_fits_nowhere_fails_and_the_next_one_works(worker: Worker) -> None:
    task_id = await worker.submit("oom sleep=0.2", batch_size=2)
    row = await worker.ended(task_id)
    assert (row["status"], row["error_code"], row["attempt"]) == ("failed", "gpu_out_of_memory", 1)
    assert row["gpu_seconds"] > 0.2, "both tries, up to the middle of their steps"
    failed = dict(await worker.events(task_id))["failed"]
    assert failed["peak_memory_bytes"] == PEAK_MEMORY_BYTES
    await works(worker)


async def test_a_failed_accelerator_gets_a_new_child_and_the_task_another_try(worker: Worker) -> None:
    written = await worker.submit("clip=20", audio_format="mp3")
    await worker.reached(written, "saving")
    child = worker.slot.pid
    failing = await worker.submit("device once sleep=0.4")
    row = await worker.ended(failing)
    assert (row["status"], row["attempt"], row["failures"], row["crashes"]) == ("succeeded", 2, 1, 0)
    assert worker.slot.pid != child
    spent = [data["gpu_seconds"] for _, data in await worker.events(failing) if "gpu_seconds" in data]
    assert 0.15 < spent[0] < spent[1], "each attempt has the seconds for which it held the accelerator"
    assert row["gpu_seconds"] == pytest.approx(sum(spent))
    neighbour = await worker.ended(written)
    assert (neighbour["status"], neighbour["attempt"]) == ("succeeded", 1), "it was written before"


async def test_a_child_that_says_nothing_for_too_long_is_killed(start: Start) -> None:
    async with start(pace=Pace(least_s=1.0, unknown_s=1.5)) as worker:
        hung, after = await worker.submit("hang"), await worker.submit("clip=1")
        row = await worker.ended(hung)
        assert (row["status"], row["error_code"], row["attempt"]) == ("failed", "timeout", 1)
        assert row["error_message"] == "the task made no progress for 1.5 seconds"
        assert (await worker.ended(after))["status"] == "succeeded"


async def test_a_task_past_its_time_is_stopped(start: Start) -> None:
    async with start(timeout_s=1.0) as worker:
        row = await worker.ended(await worker.submit("sleep=60 steps=600"))
        assert (row["status"], row["error_code"], row["attempt"]) == ("failed", "timeout", 1)
        assert row["error_message"] == "the task took longer than 1 seconds"


async def test_a_neighbour_of_a_crash_is_blamed_no_more_than_once(start: Start) -> None:
    """Nobody knows which of two tasks a dead child died of, so that each of them runs alone from then on."""
    async with start(max_crashes=2) as worker:
        written = await worker.submit("clip=30", audio_format="mp3")
        await worker.reached(written, "saving")
        crashing = await worker.submit("segfault")
        row = await worker.ended(written)
        assert (row["status"], row["crashes"]) == ("succeeded", 1)
        row = await worker.ended(crashing)
        assert (row["status"], row["error_code"], row["attempt"]) == ("failed", "worker_lost", 2)
        await works(worker)


async def test_a_worker_without_a_child_claims_nothing_and_says_so(start: Start, tmp_path: Path) -> None:
    async with start(engine="tests.engines.WillNotStart") as worker:
        task_id = await worker.submit("steps=2")
        await worker.until(lambda: worker.fleet.state == "faulty", what="the worker to be faulty")
        assert (await worker.row(task_id))["attempt"] == 0
        mend(tmp_path)
        assert (await worker.ended(task_id))["status"] == "succeeded"
        assert worker.fleet.state == "ready"


async def test_a_broken_machine_stops_claiming_until_its_self_test_passes(
    start: Start, tmp_path: Path, database_url: str
) -> None:
    async with start(engine=BROKEN) as worker:
        tasks: list[TaskId] = []
        for name in ("one", "two", "three"):
            worker.team = await a_team(database_url, name)
            tasks.append(await worker.submit("steps=2"))
        await worker.until(lambda: worker.fleet.state == "faulty", what="the worker to be faulty")
        untouched = await worker.submit("steps=2")
        rows = [await worker.row(task_id) for task_id in tasks]
        assert [(row["status"], row["crashes"]) for row in rows] == [("queued", 1)] * 3
        (state,) = await worker.ask("SELECT state FROM workers")
        assert state["state"] == "faulty"
        assert (await worker.row(untouched))["attempt"] == 0
        mend(tmp_path)
        for task_id in (*tasks, untouched):
            assert (await worker.ended(task_id))["status"] == "succeeded"
        assert worker.fleet.state == "ready"
