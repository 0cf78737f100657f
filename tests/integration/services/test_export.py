"""Exports: whole, of one moment, readable by spreadsheets, noted, and no burden for others."""

import csv
import io
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest

from app.db.engine import Database
from app.db.lists import FETCHED_AT_ONCE
from app.domain.audit import audit_record
from app.domain.errors import ExportsBusyError, ValidationError
from app.domain.filters import Filters
from app.domain.history import StoredTask
from app.domain.listed import ListedTask
from app.domain.params import PARAMETERS
from app.domain.record import Record
from app.domain.task import Caller, TeamId
from app.services import ExportForm
from app.services.export import MOST_AT_ONCE, Export
from app.services.history import History
from tests.builders import a_finished_task, a_task, a_team, claim
from tests.servers import execute

NDJSON, WITH_EVENTS, CSV = ExportForm.NDJSON, ExportForm.NDJSON_WITH_EVENTS, ExportForm.CSV


def begin(
    db: Database | Export, team: TeamId | None, form: ExportForm = NDJSON, **filters: Any
) -> AsyncIterator[bytes]:
    export = db if isinstance(db, Export) else Export(db, max_rows=1000)
    caller = Caller(team_id=team or TeamId(1), key_id=None, scopes=frozenset())
    return export(caller, team, Filters(**filters), form)


async def lines(content: AsyncIterator[bytes]) -> list[dict[str, Any]]:
    text = b"".join([portion async for portion in content])
    return [json.loads(line) for line in text.splitlines()]


async def table(content: AsyncIterator[bytes]) -> list[dict[str, str]]:
    text = b"".join([portion async for portion in content]).decode()
    return list(csv.DictReader(io.StringIO(text)))


async def many(url: str, count: int) -> None:
    """Insert waiting tasks with next to nothing in them."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "INSERT INTO tasks (id, team_id, request_id, kind, model) "
        "SELECT gen_random_uuid(), 1, 'r', 'generate', 'm' FROM generate_series(1, $1::int)",
        count,
    )
    await connection.close()


async def test_each_line_is_the_record(db: Database, team: TeamId) -> None:
    tasks = [await a_finished_task(db, team, prompt="音乐"), await a_task(db, team, labels={"a": "b"})]
    records = [json.loads(msgspec.json.encode(await History(db)(team, task))) for task in tasks]
    assert await lines(begin(db, team, WITH_EVENTS)) == records
    for record in records:
        del record["events"]
    assert await lines(begin(db, team)) == records
    assert await lines(begin(db, team, state=("queued",))) == records[1:]
    assert await lines(begin(db, team, state=("failed",))) == []


async def test_an_admin_takes_all_teams(db: Database, team: TeamId, database_url: str) -> None:
    other = await a_team(database_url, "other")
    tasks = [await a_task(db, who) for who in (team, other, team)]
    assert [line["id"] for line in await lines(begin(db, None))] == [str(task) for task in tasks]
    assert [line["id"] for line in await lines(begin(db, other))] == [str(tasks[1])]


async def test_the_table_has_every_parameter_and_computes_nothing(db: Database, team: TeamId) -> None:
    await a_finished_task(
        db,
        team,
        prompt='=HYPERLINK("http://x", "a"), 1\nnew line',
        lyrics="+1",
        key_scale="-A",
        repainting_start=-2.5,
        timesteps=[1.0, 0.5],
        thinking=True,
        labels={"=a": "@b"},
        seeds=[3, 4],
        batch_size=2,
    )
    await a_task(db, team, prompt="@sum", lyrics="fine = fine")
    first, second = await table(begin(db, team, CSV))
    columns = [*ListedTask.__struct_fields__, *(f"param.{parameter.name}" for parameter in PARAMETERS)]
    assert list(first) == columns
    assert first["prompt"] == first["param.prompt"] == '\'=HYPERLINK("http://x", "a"), 1\nnew line'
    assert (first["param.lyrics"], first["param.key_scale"]) == ("'+1", "'-A")
    assert (first["param.repainting_start"], first["param.timesteps"]) == ("-2.5", "[1.0,0.5]")
    assert (first["param.thinking"], first["param.bpm"], first["seeds"]) == ("true", "", "[3,4]")
    assert (first["labels"], first["param.seed"], first["duration"]) == ('{"=a":"@b"}', "[3,4]", "10.0")
    assert json.loads(first["outputs"])[0]["available"] is True
    assert (second["prompt"], second["param.lyrics"], second["state"]) == ("'@sum", "fine = fine", "queued")


async def test_it_shows_one_moment(db: Database, team: TeamId, database_url: str) -> None:
    await many(database_url, 120)
    content = begin(db, team, WITH_EVENTS)
    taken = await anext(content) + await anext(content)
    await a_task(db, team)
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE tasks SET priority = 5")
    await connection.close()
    taken += b"".join([portion async for portion in content])
    records = [json.loads(line) for line in taken.splitlines()]
    assert len({record["id"] for record in records}) == len(records) == 120
    assert {record["priority"] for record in records} == {0}
    assert {len(record["events"]) for record in records} == {0}, "not even those of this export"


async def test_each_task_remembers_that_it_was_taken(db: Database, team: TeamId) -> None:
    taken, left = await a_task(db, team, prompt="x"), await a_task(db, team)
    await lines(begin(db, team, q="x"))
    await table(begin(db, None, CSV, q="x"))
    events = [
        (event.type, event.actor, event.detail)
        for event in (await History(db)(team, taken)).events
        if event.type == "exported"
    ]
    assert events == [
        ("exported", "client", {"form": "ndjson"}),
        ("exported", "client", {"form": "csv"}),
    ]
    assert [event.type for event in (await History(db)(team, left)).events] == ["queued"]


async def test_an_export_is_in_the_audit_log_once_and_in_no_stream(
    db: Database, team: TeamId, database_url: str
) -> None:
    await many(database_url, 250)
    async with db.autocommit() as work:
        before = await work.events.newest()
    await lines(begin(db, team, state=("queued",), model="m"))
    async with db.autocommit() as work:
        assert await work.events.newest() == before, "what a stream has to go through did not grow"
        (entry,) = await work.audit.page(before=None, most=10)
    assert (entry.actor, entry.action, entry.object) == ("client", "tasks.exported", "tasks")
    assert entry.change == {
        "form": "ndjson",
        "filters": {"state": ["queued"], "model": "m"},
        "tasks": 250,
    }


async def test_an_export_stands_among_the_events_of_its_time(
    db: Database, team: TeamId, database_url: str
) -> None:
    task = await a_task(db, team)
    await lines(begin(db, team))
    await claim(db)
    await lines(begin(db, team))
    record = await History(db)(team, task)
    assert [event.type for event in record.events] == ["queued", "exported", "claimed", "exported"]
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await execute(database_url, "UPDATE task_exports SET form = 'x'")


async def test_too_many_rows_are_refused_before_anything_is_sent(db: Database, team: TeamId) -> None:
    for _ in range(3):
        await a_task(db, team)
    assert len(await lines(begin(Export(db, max_rows=3), team))) == 3
    with pytest.raises(ValidationError, match="more than 2 tasks; narrow the export"):
        await anext(begin(Export(db, max_rows=2), team))


async def test_one_export_a_team_and_few_in_all(db: Database, team: TeamId) -> None:
    export = Export(db, max_rows=10)
    running = [begin(export, TeamId(number)) for number in range(1, MOST_AT_ONCE + 1)]
    for content in running:
        await anext(content)
    with pytest.raises(ExportsBusyError, match="the team has an export running"):
        await anext(begin(export, team))
    with pytest.raises(ExportsBusyError, match="4 exports are running"):
        await anext(begin(export, TeamId(99)))
    for content in running:  # the clients go away
        await content.aclose()  # type: ignore[attr-defined]
    assert await lines(begin(export, team)) == []


async def test_others_are_served_while_it_is_written(
    db: Database, team: TeamId, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers: list[threading.Thread] = []

    def watched(task: StoredTask) -> Record:
        writers.append(threading.current_thread())
        return audit_record(task)

    monkeypatch.setattr("app.services.export.audit_record", watched)
    await a_task(db, team)
    await lines(begin(db, team))
    assert len(writers) == 1
    assert threading.current_thread() not in writers


async def test_it_is_read_and_sent_in_portions(db: Database, team: TeamId, database_url: str) -> None:
    await many(database_url, 250)
    portions = [portion.count(b"\n") async for portion in begin(db, team)]
    assert portions == [0, FETCHED_AT_ONCE, FETCHED_AT_ONCE, 50]
