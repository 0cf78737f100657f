"""The heartbeat keeps what is mine, drops what is lost, and writes no more than it has to."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from app.db.engine import Database
from app.db.tasks import Actor
from app.domain.task import TeamId
from app.services.fleet import Fleet
from app.services.lifecycle import Lifecycle
from tests.builders import WORKER, a_running_task, claim
from tests.fakes import ListeningDoorbell
from workers.heartbeat import Heartbeat
from workers.job import RunningJob
from workers.pace import Pace, Silence


@pytest_asyncio.fixture
async def heartbeat(db: Database) -> AsyncIterator[Heartbeat]:
    lifecycle = Lifecycle(db, ListeningDoorbell(), worker_id=WORKER, lease_s=30, max_crashes=3)
    fleet = Fleet(db, worker_id=WORKER, version="1", slots=1, device="cpu", describe=lambda: ([], []))
    heartbeat = Heartbeat(lifecycle, fleet, worker_id=WORKER, every_s=0.1)
    running = asyncio.create_task(heartbeat.run_forever())
    yield heartbeat
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def within(event: asyncio.Event, limit_s: float = 3.0) -> bool:
    try:
        async with asyncio.timeout(limit_s):
            return await event.wait()
    except TimeoutError:
        return False


async def test_a_cancel_request_arrives(db: Database, team: TeamId, heartbeat: Heartbeat) -> None:
    job = RunningJob(await a_running_task(db, team))
    heartbeat.add(job)
    async with db.autocommit() as work:
        await work.tasks.request_cancel(team, job.task.id, actor=Actor(kind="client"))
    assert await within(job.cancelled)
    assert not job.lost.is_set()


async def test_two_attempts_of_one_task_in_one_worker_are_told_apart(
    db: Database, team: TeamId, heartbeat: Heartbeat
) -> None:
    old = RunningJob(await a_running_task(db, team, lease_s=0.001))
    async with db.autocommit() as work:
        await work.tasks.lose_expired(actor=Actor(kind="sweeper"), max_crashes=3, lease_s=0)
    (again,) = await claim(db)
    new = RunningJob(again)
    heartbeat.add(old)
    heartbeat.add(new)
    assert await within(old.lost)
    heartbeat.remove(old)
    await asyncio.sleep(0.3)
    assert not new.lost.is_set()
    async with db.autocommit() as work:
        view = (await work.views.by_ids(team, [again.id]))[again.id]
    assert (view.status.value, view.attempt) == ("running", 2)


async def test_a_job_whose_child_hangs_loses_its_lease(
    db: Database, team: TeamId, heartbeat: Heartbeat, database_url: str
) -> None:
    hung, working = RunningJob(await a_running_task(db, team)), RunningJob(await a_running_task(db, team))
    hung.silence = Silence(Pace(unknown_s=0.0), model="m", audio_s=10)
    working.silence = Silence(Pace(), model="m", audio_s=10)
    connection = await asyncpg.connect(database_url)
    leases = "SELECT id, lease_until FROM tasks"
    before = dict(await connection.fetch(leases))
    heartbeat.add(hung)
    heartbeat.add(working)
    after = before
    async with asyncio.timeout(10):
        while after[working.task.id] == before[working.task.id]:
            await asyncio.sleep(0.05)
            after = dict(await connection.fetch(leases))
    await connection.close()
    assert after[hung.task.id] == before[hung.task.id]
    assert not hung.lost.is_set()


async def test_progress_is_written_by_steps_worth_telling(db: Database, team: TeamId) -> None:
    job = RunningJob(await a_running_task(db, team))
    soon = [job.report("diffusing", step, 1000) for step in range(30)]
    assert soon[0], "a new stage is told at once"
    job.beat()
    job.stage_changed = False
    told = sum(job.report("diffusing", step, 1000) and bool(job.beat()) for step in range(1000))
    assert 5 <= told <= 20


async def test_the_rest_is_estimated_from_progress(db: Database, team: TeamId) -> None:
    job = RunningJob(await a_running_task(db, team))
    assert job.rest_s is None
    job.report("diffusing", 1, 4)
    await asyncio.sleep(0.2)
    job.report("diffusing", 2, 4)
    assert job.rest_s is not None
    assert 0.05 < job.rest_s < 2.0
