"""Owners change their tasks: all of a request or none of it, and every change can be found and traced."""

from typing import Any

import asyncpg
import pytest

from app.db.engine import Database
from app.domain.changes import Changes
from app.domain.errors import ConflictError, NotFoundError
from app.domain.filters import Filters
from app.domain.keys import Scope
from app.domain.task import Caller, TaskId, TeamId
from app.services.edit import Edit
from app.services.history import History
from app.services.lists import Lists
from tests.builders import a_finished_task, a_running_task, a_task, a_team


def caller(team: TeamId, *scopes: Scope) -> Caller:
    return Caller(team_id=team, key_id=None, scopes=frozenset(scopes), key_prefix="ace_tests")


async def edit(db: Database, team: TeamId, task: TaskId, **changes: Any) -> None:
    await Edit(db, ageing_s=600)(caller(team), team, task, Changes(**changes))


async def fetch(url: str, statement: str) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(statement))
    finally:
        await connection.close()


async def test_a_higher_priority_moves_a_waiting_task_forward(db: Database, database_url: str) -> None:
    team = await a_team(database_url, "team", max_priority=5)
    first, second = await a_task(db, team), await a_task(db, team)
    await edit(db, team, second, priority=9)
    record = await History(db)(team, second)
    assert (record.priority, record.queue_position) == (5, 1), "at most the maximum of the team"
    assert (record.events[-1].type, record.events[-1].detail) == ("priority_changed", {"from": 0, "to": 5})
    assert (await History(db)(team, first)).queue_position == 2
    await edit(db, team, second, priority=-10)
    assert (await History(db)(team, first)).queue_position == 1
    await edit(db, team, second, priority=-10)
    assert len((await History(db)(team, second)).events) == 3, "nothing changed, nothing noted"


async def test_a_rank_is_the_one_of_a_task_submitted_so(db: Database, database_url: str) -> None:
    team = await a_team(database_url, "team", max_priority=5)
    await edit(db, team, await a_task(db, team), priority=3)
    await a_task(db, team, priority=3)
    ranks = await fetch(database_url, "SELECT created_at - queue_rank AS lead FROM tasks")
    assert ranks[0]["lead"] == ranks[1]["lead"]


async def test_only_waiting_tasks_have_a_priority_to_change(db: Database, team: TeamId) -> None:
    running = (await a_running_task(db, team)).id
    with pytest.raises(ConflictError, match="priority of a running task"):
        await edit(db, team, running, priority=-1, labels={"a": "b"})
    assert (await History(db)(team, running)).labels == {}, "all or nothing"


async def test_labels_are_replaced_and_found(db: Database, team: TeamId) -> None:
    task = await a_finished_task(db, team, labels={"mood": "calm", "project": "x"})
    await edit(db, team, task, labels={"project": "x", "client": "y"})
    assert (await History(db)(team, task)).labels == {"project": "x", "client": "y"}
    for labels, found in (
        ((("mood", "calm"),), 0),
        ((("client", "y"), ("project", "x")), 1),
    ):
        page = await Lists(db, pepper=b"")(
            team, Filters(labels=labels), newest_first=True, limit=5, cursor=None
        )
        assert len(page.items) == found
    await edit(db, team, task, labels={})
    assert (await History(db)(team, task)).labels == {}


async def test_a_change_of_labels_is_an_event_with_what_was_before(db: Database, team: TeamId) -> None:
    task = await a_finished_task(db, team, labels={"mood": "calm", "project": "x"})
    for _ in range(2):
        await edit(db, team, task, labels={"mood": "wild", "client": "y"})
    record = await History(db)(team, task)
    noted = [event.detail for event in record.events if event.type == "labels_changed"]
    assert noted == [{"set": {"mood": "wild", "client": "y"}, "removed": {"mood": "calm", "project": "x"}}], (
        "nothing changed, nothing noted"
    )


async def test_a_legal_hold_is_in_the_audit_log(db: Database, team: TeamId, database_url: str) -> None:
    task = await a_task(db, team)
    for hold in (True, True, False):
        await edit(db, team, task, legal_hold=hold)
        assert (await History(db)(team, task)).legal_hold is hold
    log = await fetch(database_url, "SELECT actor, action, object, change FROM audit_log ORDER BY id")
    assert [tuple(row) for row in log] == [
        ("ace_tests", "task.legal_hold", f"task {task}", '{"legal_hold": true}'),
        ("ace_tests", "task.legal_hold", f"task {task}", '{"legal_hold": false}'),
    ]


async def test_a_foreign_task_is_not_there(db: Database, team: TeamId, database_url: str) -> None:
    other = await a_team(database_url, "other")
    task = await a_task(db, other)
    with pytest.raises(NotFoundError, match="task not found"):
        await edit(db, team, task, priority=1)
    await Edit(db, ageing_s=600)(caller(team, Scope.ADMIN), None, task, Changes(labels={"a": "b"}))
    assert (await History(db)(other, task)).labels == {"a": "b"}
