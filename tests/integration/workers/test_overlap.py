"""One task computes while those before it are written and uploaded; the next one waits behind it."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app.db.engine import Database
from app.domain.task import TaskId, TeamId
from app.storage.folder import FolderStore
from tests.worker import Worker, a_worker
from workers.job import RunningJob

pytestmark = pytest.mark.inference

# Encodes for some seconds, and computes in no time.
LONG_TO_WRITE = {"prompt": "clip=120", "audio_format": "mp3"}


class SlowStore(FolderStore):
    """A folder whose puts wait until they may go on."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.may_put = asyncio.Event()
        self.waiting = 0

    async def put_file(self, key: str, path: Path, *, sha256: str, mime: str) -> None:
        self.waiting += 1
        await self.may_put.wait()
        await super().put_file(key, path, sha256=sha256, mime=mime)


@pytest.fixture
def store(tmp_path: Path) -> SlowStore:
    store = SlowStore(tmp_path / "objects")
    store.may_put.set()
    return store


@pytest_asyncio.fixture
async def worker(
    db: Database, team: TeamId, tmp_path: Path, database_url: str, store: SlowStore
) -> AsyncIterator[Worker]:
    async with a_worker(db, team, tmp_path, url=database_url, store=store, cancel_grace_s=0.2) as worker:
        yield worker


def accelerator(row: dict[str, Any]) -> tuple[float, float]:
    begun, ended = row["result"]["audit"]["accelerator"]
    return begun, ended


async def test_a_task_computes_while_the_one_before_is_written(worker: Worker) -> None:
    first, second = await worker.submit("clip=30", audio_format="mp3"), await worker.submit("sleep=0.1")
    rows = [await worker.ended(task_id) for task_id in (first, second)]
    (_, first_computed), (second_begun, _) = map(accelerator, rows)
    writing_s = rows[0]["result"]["seconds"]["saving"]
    assert first_computed < second_begun < first_computed + writing_s / 2


async def test_the_next_task_waits_claimed_from_the_last_stage_on_at_no_cost(worker: Worker) -> None:
    first, second = await worker.submit("sleep=0.3 vae=1.2"), await worker.submit("text=0.1")
    rows = [await worker.ended(task_id) for task_id in (first, second)]
    (first_begun, first_computed), (second_begun, _) = map(accelerator, rows)
    claimed = rows[1]["started_at"].timestamp() - time.time() + time.monotonic()
    assert first_begun + 0.3 < claimed < first_computed < second_begun
    waited_s = second_begun - claimed
    run_s = (rows[1]["finished_at"] - rows[1]["started_at"]).total_seconds()
    assert 0 < rows[1]["gpu_seconds"] < run_s - 0.9 * waited_s


async def test_the_accelerator_waits_for_an_upload_only_when_two_are_behind_it(
    worker: Worker, store: SlowStore
) -> None:
    store.may_put.clear()
    tasks = [await worker.submit() for _ in range(5)]
    await worker.until(lambda: store.waiting == 3, what="three tasks to be computed")
    await asyncio.sleep(0.3)
    states = [(await worker.row(task_id))["status"] for task_id in tasks]
    assert states == ["running"] * 3 + ["queued"] * 2
    store.may_put.set()
    assert [(await worker.ended(task_id))["status"] for task_id in tasks] == ["succeeded"] * 5


async def test_steps_and_stages_are_those_of_the_task_itself(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[TaskId, str]] = []
    report = worker.heartbeat.report

    def listen(job: RunningJob, *progress: Any) -> None:
        report(job, *progress)
        told.append((job.task.id, job.progress.text))

    monkeypatch.setattr(worker.heartbeat, "report", listen)
    tasks = {await worker.submit(f"steps={steps}", audio_format="mp3"): steps for steps in (5, 7, 9)}
    for task_id in tasks:
        await worker.ended(task_id)
    for task_id, steps in tasks.items():
        texts = list(dict.fromkeys(text for of, text in told if of == task_id))
        counts = [text for text in texts if "step" in text]
        assert counts == [f"dit diffusion: step {step}/{steps}" for step in range(1, steps + 1)]
        assert texts[-1] == "saving"


async def test_a_waiting_task_can_be_cancelled_and_the_running_one_goes_on(worker: Worker) -> None:
    first, second = await worker.submit("vae=1"), await worker.submit()
    await worker.reached(second, "loading")
    child = worker.slot.pid
    await worker.cancel(second)
    row = await worker.ended(second)
    assert (row["status"], row["gpu_seconds"]) == ("cancelled", 0)
    assert (await worker.row(first))["status"] == "running"
    assert (await worker.ended(first))["status"] == "succeeded"
    assert worker.slot.pid == child


async def test_a_task_that_is_uploaded_can_be_cancelled(worker: Worker, store: SlowStore) -> None:
    store.may_put.clear()
    first = await worker.submit()
    await worker.until(lambda: store.waiting == 1, what="an upload")
    second = await worker.submit("sleep=0.5")
    await worker.reached(second, "diffusing")
    await worker.cancel(first)
    await asyncio.sleep(0.3)
    store.may_put.set()
    assert (await worker.ended(first))["status"] == "cancelled"
    row = await worker.ended(second)
    assert (row["status"], row["attempt"]) == ("succeeded", 1)
    assert {item.key.split("/")[2] async for item in store.list("o/")} == {str(second)}


async def test_a_task_that_is_written_can_be_cancelled_without_harm_to_the_next(worker: Worker) -> None:
    first = await worker.submit(**LONG_TO_WRITE)
    await worker.reached(first, "saving")
    child = worker.slot.pid
    second = await worker.submit("sleep=0.3")
    await worker.reached(second, "diffusing")
    await worker.cancel(first)
    assert (await worker.ended(first))["status"] == "cancelled"
    row = await worker.ended(second)
    assert (row["status"], row["attempt"], worker.slot.pid) == ("succeeded", 1, child)


async def test_killing_the_child_for_one_task_costs_its_neighbour_nothing(worker: Worker) -> None:
    first = await worker.submit(**LONG_TO_WRITE)
    await worker.reached(first, "saving")
    hung = await worker.submit("hang")
    await worker.reached(hung, "diffusing")
    await worker.cancel(hung)
    assert (await worker.ended(hung))["status"] == "cancelled"

    async def released() -> bool:
        return [event for event, _ in await worker.events(first)][2:3] == ["requeued"]

    await worker.until(released, what="the neighbour to go back to the queue")
    _, _, (_, data), *_ = await worker.events(first)
    row = await worker.row(first)
    assert data["reason"] == "released"
    assert (row["crashes"], row["failures"]) == (0, 0)


async def test_a_worker_that_stops_finishes_what_runs_and_gives_back_what_waits(worker: Worker) -> None:
    first, second = await worker.submit("vae=0.6"), await worker.submit()
    await worker.reached(second, "loading")
    await worker.stop()
    assert (await worker.row(first))["status"] == "succeeded"
    row = await worker.row(second)
    assert (row["status"], row["crashes"], row["failures"], row["gpu_seconds"]) == ("queued", 0, 0, 0)


async def test_a_worker_that_has_no_time_gives_everything_back(worker: Worker, store: SlowStore) -> None:
    store.may_put.clear()
    uploading, computing = await worker.submit(), await worker.submit("sleep=60 steps=600")
    await worker.reached(computing, "diffusing")
    await worker.until(lambda: store.waiting == 1, what="an upload")
    child = worker.slot.pid
    worker.loop.stop_claiming()
    worker.running.cancel()
    await asyncio.gather(worker.running, return_exceptions=True)
    assert not Path(f"/proc/{child}").exists()
    rows = [await worker.row(task_id) for task_id in (uploading, computing)]
    assert [(row["status"], row["crashes"], row["failures"]) for row in rows] == [("queued", 0, 0)] * 2
    assert rows[1]["gpu_seconds"] > 0, "what was executed is metered"
