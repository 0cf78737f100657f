"""Lists of tasks: every filter, alone and combined, in both orders, page by page."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.db.engine import Database
from app.domain.errors import ValidationError
from app.domain.filters import Filters
from app.domain.inputs import Origin, Role, TaskInput
from app.domain.listed import TaskPage
from app.domain.task import TeamId
from app.services.lists import Lists
from tests.builders import a_finished_task, a_task, a_team

INPUT = TaskInput(
    role=Role.SOURCE,
    origin=Origin.UPLOAD,
    path="audio/x.wav",
    storage_key="i/x",
    sha256="1" * 64,
    bytes=1,
    duration=None,
)


async def page(db: Database, team: TeamId | None, filters: Filters, **options: Any) -> TaskPage:
    asked = {"newest_first": True, "limit": 50, "cursor": None} | options
    return await Lists(db, pepper=b"pepper")(team, filters, **asked)


async def ids(db: Database, caller: TeamId | None, **filters: Any) -> list[UUID]:
    return [UUID(item.id) for item in (await page(db, caller, Filters(**filters))).items]


async def change(url: str, statement: str, *values: Any) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        rows: Sequence[Any] = await connection.fetch(statement, *values)
        return list(rows)
    finally:
        await connection.close()


async def test_a_line_shows_the_task_in_brief(db: Database, team: TeamId) -> None:
    done = await a_finished_task(
        db, team, prompt="p" * 300, labels={"mood": "calm"}, audio_duration=30, seeds=[7]
    )
    waiting = await a_task(db, team, audio_duration=30)
    first, second = (await page(db, team, Filters())).items
    assert (first.id, first.state, first.status, first.duration) == (str(waiting), "queued", 0, 30)
    assert (first.outputs, first.started_at, first.finished_at) == ([], None, None)
    assert (second.id, second.state, second.status, second.duration) == (str(done), "succeeded", 1, 10.0)
    assert (second.prompt, second.labels, second.seeds) == ("p" * 200, {"mood": "calm"}, [7])
    assert (second.dit_model, second.batch_size, second.task_type) == (
        "acestep-tiny-random",
        1,
        "text2music",
    )
    (output,) = second.outputs
    assert output.file.startswith("/v1/audio?path=audio%2F")
    assert (output.index, output.available) == (0, True)


async def test_every_filter_finds_its_tasks_and_no_others(
    db: Database, team: TeamId, database_url: str
) -> None:
    await change(
        database_url,
        "INSERT INTO api_keys (team_id, name, prefix, last4, hash, scopes) "
        "VALUES (1, 'k', 'ace_k', 'x', 'x', '{}')",
    )
    ((key_id, key),) = await change(database_url, "SELECT id, public_id FROM api_keys")
    plain = await a_finished_task(db, team, prompt="plain")
    failed = await a_finished_task(db, team, failure="timeout", lyrics="Summer rain, falling")
    cover = await a_task(db, team, task_type="cover", inputs=[INPUT], prompt="falling")
    other_model = await a_task(db, team, model="acestep-v15-base", key_id=key_id, seeds=[5, 42])
    child = await a_task(db, team, parent_id=plain, labels={"project": "x", "a=b": "c"})
    for filters, expected in (
        ({}, [child, other_model, cover, failed, plain]),
        ({"state": ("queued",)}, [child, other_model, cover]),
        ({"state": ("failed", "succeeded")}, [failed, plain]),
        ({"state": ("running",)}, []),
        ({"task_type": "cover"}, [cover]),
        ({"task_type": "text2music"}, [child, other_model, failed, plain]),
        ({"model": "acestep-v15-base"}, [other_model]),
        ({"model": "unknown"}, []),
        ({"key_id": key}, [other_model]),
        ({"key_id": uuid4()}, []),
        ({"seed": 42}, [other_model]),
        ({"seed": 2}, []),
        ({"error_code": "timeout"}, [failed]),
        ({"error_code": "internal"}, []),
        ({"labels": (("project", "x"),)}, [child]),
        ({"labels": (("project", "x"), ("a=b", "c"))}, [child]),
        ({"labels": (("project", "y"),)}, []),
        ({"labels": (("a", "b=c"),)}, []),
        ({"q": "rain SUMMER"}, [failed]),
        ({"q": "falling"}, [cover, failed]),
        ({"q": "fall"}, []),
        ({"parent_id": plain}, [child]),
        ({"parent_id": failed}, []),
        ({"sha256": "1" * 64}, [cover]),
        ({"sha256": "0" * 64}, [plain]),
        ({"q": "falling", "state": ("failed",)}, [failed]),
        ({"q": "falling", "task_type": "text2music", "error_code": "timeout", "seed": 1}, [failed]),
        ({"sha256": "0" * 64, "state": ("failed",)}, []),
        ({"labels": (("project", "x"),), "seed": 1, "parent_id": plain}, [child]),
    ):
        assert await ids(db, team, **filters) == expected, filters
        assert await ids(db, None, **filters) == expected, ("as an admin", filters)


async def test_times_bound_the_list_exactly(db: Database, team: TeamId, database_url: str) -> None:
    tasks = [await a_finished_task(db, team) for _ in range(5)]
    waiting = await a_task(db, team)
    # A day apart; each runs for an hour.
    await change(
        database_url,
        "UPDATE tasks SET created_at = '2026-03-01Z'::timestamptz + interval '1 day' * seq, "
        "finished_at = CASE WHEN finished_at IS NOT NULL THEN "
        "'2026-03-01Z'::timestamptz + interval '1 day' * seq + interval '1 hour' END",
    )
    start = datetime.fromisoformat("2026-03-01T00:00:00Z")

    def at(days: float) -> datetime:
        return start + timedelta(days=days)

    newest = tasks[::-1]
    assert await ids(db, team, created_after=at(3)) == [waiting, *newest[:3]]
    assert await ids(db, team, created_before=at(3)) == newest[3:]
    assert await ids(db, team, created_after=at(2), created_before=at(4)) == newest[2:4]
    assert await ids(db, team, finished_after=at(3 + 1 / 24)) == newest[:3]
    assert await ids(db, team, finished_before=at(3 + 1 / 24)) == newest[3:]
    assert await ids(db, team, finished_before=at(3), created_after=at(2)) == [tasks[1]]
    assert await ids(db, team, created_after=at(100)) == await ids(db, team, created_before=at(0)) == []


async def test_a_clock_that_was_set_back_hides_nothing(db: Database, team: TeamId, database_url: str) -> None:
    early, late, between = [await a_finished_task(db, team) for _ in range(3)]
    for task, minute in ((early, 0), (late, 30), (between, 10)):
        await change(
            database_url,
            "UPDATE tasks SET created_at = '2026-03-01Z'::timestamptz + interval '1 minute' * $2 "
            "WHERE id = $1",
            task,
            minute,
        )
    assert await ids(db, team, created_before=datetime.fromisoformat("2026-03-01T00:20:00Z")) == [
        between,
        early,
    ]
    assert await ids(db, team, created_after=datetime.fromisoformat("2026-03-01T00:20:00Z")) == [late]


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("filters", [{}, {"state": ("succeeded", "queued")}, {"q": "song"}, {"seed": 1}])
async def test_pages_meet_without_gap_or_repetition(
    db: Database, team: TeamId, newest_first: bool, filters: dict[str, Any]
) -> None:
    tasks = [str(await a_finished_task(db, team, prompt="a song")) for _ in range(3)]
    tasks += [str(await a_task(db, team, prompt="a song")) for _ in range(4)]
    seen: list[str] = []
    cursor = None
    while cursor or not seen:
        part = await page(db, team, Filters(**filters), limit=2, cursor=cursor, newest_first=newest_first)
        seen += [item.id for item in part.items]
        cursor = part.next_cursor
        assert part.has_more == (cursor is not None) == (len(seen) < 7)
        if newest_first:
            await a_task(db, team, prompt="a song that came later")
    assert seen == (tasks[::-1] if newest_first else tasks)


async def test_a_cursor_fits_its_own_list_only(db: Database, team: TeamId, database_url: str) -> None:
    other = await a_team(database_url, "other")
    for _ in range(3):
        await a_task(db, team)
        await a_task(db, other)
    cursor = (await page(db, team, Filters(), limit=1)).next_cursor
    assert (await page(db, team, Filters(), limit=1, cursor=cursor)).items
    for who, options in (
        (other, {}),
        (None, {}),
        (team, {"newest_first": False}),
        (team, {"filters": Filters(state=("queued",))}),
    ):
        filters = options.pop("filters", Filters())
        with pytest.raises(ValidationError, match="does not belong to this list"):
            await page(db, who, filters, cursor=cursor, **options)


async def test_teams_see_their_own_and_admins_all(db: Database, team: TeamId, database_url: str) -> None:
    other = await a_team(database_url, "other")
    mine = await a_task(db, team, prompt="rain", labels={"x": "y"}, seeds=[9])
    theirs = await a_task(db, other, prompt="rain", labels={"x": "y"}, seeds=[9])
    ((public_id,),) = await change(database_url, "SELECT public_id FROM teams WHERE name = 'other'")
    for filters in ({}, {"q": "rain"}, {"labels": (("x", "y"),)}, {"seed": 9}, {"state": ("queued",)}):
        assert await ids(db, team, **filters) == [mine]
        assert await ids(db, other, **filters) == [theirs]
        assert await ids(db, None, **filters) == [theirs, mine]
        assert await ids(db, None, **filters, team=public_id) == [theirs]
        assert await ids(db, None, **filters, team=uuid4()) == []


async def test_a_query_without_a_word_is_refused(db: Database, team: TeamId) -> None:
    with pytest.raises(ValidationError, match="at least one word"):
        await page(db, team, Filters(q="!?"))
