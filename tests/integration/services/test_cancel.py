"""Cancel in every state, from every side."""

import asyncio
from uuid import UUID, uuid4

import pytest

from app.db.engine import Database
from app.db.tasks import Actor
from app.domain.errors import ConflictError, NotFoundError
from app.domain.keys import ALL_SCOPES, OPEN_SCOPES
from app.domain.task import Caller, TaskId, TaskStatus, TeamId
from app.services.cancel import Cancel
from app.services.history import History
from tests.builders import WORKER, a_clip, a_running_task, a_task, a_team


class Bell:
    """Remembers who was nudged."""

    def __init__(self) -> None:
        self.nudged: list[UUID] = []

    def ring(self, task_ids: object) -> None:
        """Nobody rings here."""

    def nudge(self, worker_id: UUID) -> None:
        self.nudged.append(worker_id)

    def changed(self) -> None:
        """Nobody follows here."""


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def cancel(db: Database, bell: Bell) -> Cancel:
    return Cancel(db, bell)


def caller(team: TeamId) -> Caller:
    return Caller(team_id=team, key_id=None, scopes=OPEN_SCOPES)


async def status(db: Database, team: TeamId, task_id: TaskId) -> TaskStatus:
    async with db.autocommit() as work:
        return (await work.views.by_ids(team, [task_id]))[task_id].status


async def test_a_waiting_task_is_cancelled_at_once_and_only_once(
    db: Database, team: TeamId, cancel: Cancel, bell: Bell
) -> None:
    task_id = await a_task(db, team)
    for _ in range(2):
        view = await cancel(caller(team), team, task_id)
        assert (view.id, view.state, view.cancel_requested) == (str(task_id), "cancelled", True)
    record = await History(db)(team, task_id)
    assert [event.type for event in record.events] == ["queued", "cancelled"]
    assert (record.state, record.error_code, record.attempts, bell.nudged) == (
        "cancelled",
        "cancelled",
        [],
        [],
    )
    assert record.queued_seconds is not None


async def test_a_running_task_is_asked_to_stop_and_its_worker_nudged(
    db: Database, team: TeamId, cancel: Cancel, bell: Bell
) -> None:
    task = await a_running_task(db, team)
    for _ in range(2):
        view = await cancel(caller(team), team, task.id)
        assert (view.state, view.cancel_requested) == ("running", True)
    assert bell.nudged == [WORKER, WORKER]
    record = await History(db)(team, task.id)
    assert [event.type for event in record.events] == ["queued", "claimed", "cancel_requested"]
    async with db.autocommit() as work:
        await work.tasks.cancel_running(
            task.id, task.attempt, actor=Actor(kind="worker", id=str(WORKER)), gpu_seconds=2.0
        )
    assert (await cancel(caller(team), team, task.id)).state == "cancelled"
    (attempt,) = (await History(db)(team, task.id)).attempts
    assert (attempt.outcome, attempt.gpu_seconds, attempt.worker_id) == ("cancelled", 2.0, str(WORKER))


async def test_what_has_ended_otherwise_stays(db: Database, team: TeamId, cancel: Cancel) -> None:
    worker = Actor(kind="worker", id=str(WORKER))
    done, failed = await a_running_task(db, team), await a_running_task(db, team)
    async with db.autocommit() as work:
        assert await work.tasks.succeed(
            done.id, 1, actor=worker, result={"items": []}, clips=[a_clip(done)], gpu_seconds=1.0
        )
        await work.tasks.fail_or_retry(
            failed.id,
            1,
            actor=worker,
            code="internal",
            message="x",
            trace=None,
            max_failures=1,
            gpu_seconds=0,
        )
    for task_id, word in ((done.id, "succeeded"), (failed.id, "failed")):
        with pytest.raises(ConflictError, match=f"already {word}"):
            await cancel(caller(team), team, task_id)
        assert await status(db, team, task_id) == word


async def test_foreign_and_unknown_tasks_do_not_exist_but_for_an_admin(
    db: Database, team: TeamId, cancel: Cancel, database_url: str
) -> None:
    other = await a_team(database_url, "other")
    task_id = await a_task(db, other)
    for unknown in (task_id, TaskId(uuid4())):
        with pytest.raises(NotFoundError, match="task not found"):
            await cancel(caller(team), team, unknown)
        with pytest.raises(NotFoundError, match="task not found"):
            await History(db)(team, unknown)
    assert await status(db, other, task_id) == "queued"
    admin = Caller(team_id=team, key_id=None, scopes=ALL_SCOPES)
    assert (await cancel(admin, None, task_id)).state == "cancelled"
    record = await History(db)(other, task_id)
    assert record.events[-1].actor == "admin"


async def test_claims_and_cancels_at_once_leave_one_truth(db: Database, team: TeamId, cancel: Cancel) -> None:
    tasks = [await a_task(db, team) for _ in range(20)]
    claims = [a_claim(db) for _ in tasks]
    views = await asyncio.gather(*(cancel(caller(team), team, task) for task in tasks), *claims)
    for task_id, view in zip(tasks, views, strict=False):
        assert view is not None
        record = await History(db)(team, task_id)
        assert record.state == view.state
        expected = (
            ["queued", "cancelled"]
            if view.state == "cancelled"
            else ["queued", "claimed", "cancel_requested"]
        )
        assert [event.type for event in record.events] == expected
    async with db.autocommit() as work:
        numbers = await work.stats.numbers(team, window=50, lease_s=30)
    states = [view.state for view in views[: len(tasks)] if view]
    assert (numbers.cancelled, numbers.running) == (states.count("cancelled"), states.count("running"))


async def a_claim(db: Database) -> None:
    async with db.autocommit() as work:
        await work.tasks.claim(
            worker_id=WORKER, models=["acestep-tiny-random"], kinds=["generate"], lease_s=30
        )
