"""An erased task leaves a tombstone: nothing of its content in any table, no object, every number kept."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from app.db.engine import Database
from app.db.submissions import NewTask
from app.db.tasks import Actor
from app.domain.changes import Changes
from app.domain.errors import ConflictError, NotFoundError
from app.domain.filters import Filters
from app.domain.inputs import Origin, Role, TaskInput
from app.domain.keys import Scope
from app.domain.task import Caller, TaskId, TeamId
from app.services.audio import Audio
from app.services.deliver import Deliver, Reply
from app.services.edit import Edit
from app.services.erase import Erase
from app.services.history import History
from app.services.lists import Lists
from app.services.operations import Operations
from app.services.query import Query
from app.services.retention import Retention
from app.services.sealing import Sealing
from app.services.stats import Stats
from app.storage.folder import FolderStore
from tests.builders import MODEL, WORKER, a_finished_task, a_running_task, a_task, a_team, claim
from tests.fakes import ListeningDoorbell

SECRET = "secretword"
CONTENT = b"x" * 100


@dataclass
class Office:
    """Erasing on a store of its own."""

    db: Database
    team: TeamId
    url: str
    store: FolderStore
    folder: Path

    async def erase(self, task: TaskId, *, is_admin: bool = False) -> str:
        scopes = frozenset({Scope.ADMIN} if is_admin else ())
        caller = Caller(team_id=self.team, key_id=None, scopes=scopes)
        return (await Erase(self.db, self.store)(caller, None if is_admin else self.team, task)).state

    async def fetch(self, statement: str, *values: Any) -> list[Any]:
        connection = await asyncpg.connect(self.url)
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    async def put(self, key: str) -> None:
        content = self.folder / "content"
        content.write_bytes(CONTENT)
        digest = hashlib.sha256(CONTENT).hexdigest()
        await self.store.put_file(key, content, sha256=digest, mime="audio/wav")

    async def a_song(self, **task: Any) -> TaskId:
        """A finished task full of the secret word, with an input and a stored clip."""
        given = TaskInput(
            role=Role.SOURCE,
            origin=Origin.UPLOAD,
            path="audio/in.wav",
            storage_key=f"i/{SECRET}",
            sha256="1" * 64,
            bytes=1,
            duration=1.0,
        )
        fields = {"prompt": SECRET, "lyrics": SECRET, "labels": {SECRET: SECRET}, "inputs": [given]}
        song = await a_finished_task(self.db, self.team, **{**fields, **task})
        (row,) = await self.fetch(
            "SELECT storage_key FROM objects WHERE role = 'output' ORDER BY id DESC LIMIT 1"
        )
        await self.put(row["storage_key"])
        return song


@pytest_asyncio.fixture
async def office(db: Database, team: TeamId, database_url: str, tmp_path: Path) -> Office:
    return Office(db, team, database_url, FolderStore(tmp_path / "objects"), tmp_path)


WRITTEN = (
    "prompt", "lyrics", "sample_query", "lm_negative_prompt", "instruction", "key_scale", "audio_code_string",
    "webhook_url", "request_id", "message", "trace", "label", "client", "model", "answer",
)  # fmt: skip
"""What a client, its receiver or the engine may have written; the secret word is told apart by these."""


async def a_failure_full_of_words(office: Office) -> TaskId:
    """A failed task with a word of its own in every text that is stored of it, and a webhook told of it."""
    words = {name: f"{SECRET}-{name}" for name in WRITTEN}
    task = NewTask(
        id=TaskId(uuid4()),
        team_id=office.team,
        api_key_id=None,
        request_id=words["request_id"],
        task_type="text2music",
        requested_model=words["model"],
        model=MODEL,
        request=words,
        content_type="application/json",
        params={"seeds": [1], **words},
        labels={words["label"]: words["label"]},
        client={"user_agent": words["client"]},
        webhook_url=f"https://example.org/{words['webhook_url']}",
    )
    async with office.db.transaction() as work:
        await work.submissions.insert([(task, 1)], ageing_s=600)
    caller = Caller(team_id=office.team, key_id=None, scopes=frozenset())
    await Edit(office.db, ageing_s=600)(caller, office.team, task.id, Changes(labels={"a": words["label"]}))
    (claimed,) = await claim(office.db)
    async with office.db.autocommit() as work:
        await work.tasks.fail_or_retry(
            claimed.id,
            1,
            actor=Actor(kind="worker", id=str(WORKER)),
            code="internal",
            message=words["message"],
            trace=words["trace"],
            max_failures=1,
            gpu_seconds=1,
        )
    await settle_deliveries(office, words["answer"])
    return task.id


async def settle_deliveries(office: Office, answer: str) -> None:
    """Record for each waiting delivery that its receiver refused it for the last time."""
    async with office.db.autocommit() as work:
        for due in await work.deliveries.take(most=10, busy=[], hold_s=30):
            attempt = {"at": "", "status": 500, "latency_ms": 1, "answer": answer, "error": answer}
            await work.deliveries.record(
                due.id, due.tries, is_delivered=False, delay_s=None, status=500, error=answer, attempt=attempt
            )


async def test_no_word_of_a_failed_task_stays(office: Office) -> None:
    task = await a_failure_full_of_words(office)
    before = await contents(office)
    assert [name for name in WRITTEN if f"{SECRET}-{name}" not in before] == []
    await office.erase(task)
    after = await contents(office)
    assert [name for name in WRITTEN if f"{SECRET}-{name}" in after] == []
    record = await History(office.db)(None, task)
    assert (record.state, record.error_code, record.error) == ("failed", "internal", None)
    assert [event.type for event in record.events] == [
        "queued",
        "labels_changed",
        "claimed",
        "failed",
        "deleted",
    ]
    with pytest.raises(NotFoundError, match="task not found"):
        await operations(office.db).traces(task)


async def test_events_of_a_task_that_is_there_cannot_be_changed(office: Office) -> None:
    await a_failure_full_of_words(office)
    for change in ("data = data - 'trace'", "data = '{}'", "at = now()"):
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await office.fetch(f"UPDATE task_events SET {change} WHERE event = 'failed'")  # noqa: S608


async def test_events_of_an_erased_task_lose_their_content_and_nothing_else(office: Office) -> None:
    await office.erase(await a_failure_full_of_words(office))
    for change in ("data = '{}'", "at = now()", "event = 'succeeded'"):
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await office.fetch(f"UPDATE task_events SET {change} WHERE event = 'failed'")  # noqa: S608


async def test_the_end_of_an_erased_task_is_still_told_and_then_forgotten(office: Office) -> None:
    waiting = await a_task(office.db, office.team, prompt=SECRET)
    await office.fetch("UPDATE task_params SET webhook_url = 'https://example.org/hook'")
    await office.erase(waiting)
    async with office.db.autocommit() as work:
        (due,) = await work.deliveries.take(most=10, busy=[], hold_s=30)
    deliver = Deliver(office.db, Sealing(b"pepper"), env="test", version="1")
    message = await deliver.message(due)
    event = json.loads(message.body)
    data = event["data"]
    assert (message.url, event["type"]) == ("https://example.org/hook", "task.cancelled")
    assert (data["task_id"], data["state"], data["status"]) == (str(waiting), "cancelled", 2)
    assert (data["error_code"], data["error"]) == ("cancelled", "cancelled")
    (item,) = json.loads(data["result"])
    assert (item["file"], item["status"], item["stage"], item["error"]) == ("", 2, "failed", "cancelled")
    await deliver.record(due, Reply(status=500, error="status 500"))
    assert len(await office.fetch("SELECT FROM webhook_deliveries")) == 1, "to be tried again"
    await office.fetch("UPDATE webhook_deliveries SET next_at = now()")
    async with office.db.autocommit() as work:
        (due,) = await work.deliveries.take(most=10, busy=[], hold_s=30)
    await deliver.record(due, Reply(status=200))
    assert await office.fetch("SELECT FROM webhook_deliveries") == []


async def test_what_a_webhook_tells_of_an_erased_song_is_its_state(office: Office) -> None:
    await office.fetch(
        "INSERT INTO webhook_endpoints (id, team_id, url, events) VALUES "
        "(gen_random_uuid(), $1, 'https://example.org/', '{task.succeeded,task.started}')",
        office.team,
    )
    await office.erase(await office.a_song())
    async with office.db.autocommit() as work:
        taken = await work.deliveries.take(most=10, busy=[], hold_s=30)
    deliver = Deliver(office.db, Sealing(b"pepper"), env="test", version="1")
    bodies = {due.event: json.loads((await deliver.message(due)).body)["data"] for due in taken}
    assert {event: (data["state"], data["error"]) for event, data in bodies.items()} == {
        "task.started": ("running", None),
        "task.succeeded": ("succeeded", None),
    }
    assert bodies["task.succeeded"]["result"] == "[]", "the audio is gone"


async def contents(office: Office) -> str:
    """Everything that the database holds, as text."""
    tables = await office.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [await office.fetch(f"SELECT t::text FROM {table['tablename']} t") for table in tables]  # noqa: S608
    return "\n".join(row["t"] for table in rows for row in table)


async def test_nothing_of_the_content_stays(office: Office) -> None:
    await office.a_song()
    song = await office.a_song(prompt="other words", lyrics="", labels={}, inputs=[])
    assert SECRET in await contents(office)
    (first,) = await office.fetch("SELECT id FROM tasks ORDER BY seq LIMIT 1")
    assert await office.erase(TaskId(first["id"])) == "succeeded"
    assert SECRET not in await contents(office)
    files = [path for path in (office.folder / "objects").rglob("*") if path.is_file()]
    assert len(files) == 1, "the clip of the other task"
    assert (await History(office.db)(office.team, song)).parameters["prompt"] == "other words"


async def test_the_tombstone_keeps_the_rest(office: Office) -> None:
    song = await office.a_song()
    before = await History(office.db)(office.team, song)
    stats = await Stats(office.db, queue_limit=None, window=5, initial_average_s=1, lease_s=30)(office.team)
    usage = await office.fetch("SELECT * FROM usage_daily")
    await office.erase(song)
    after = await History(office.db)(None, song)
    kept = ("id", "team_id", "state", "created_at", "started_at", "finished_at", "attempts", "task_type")
    assert {name: getattr(after, name) for name in kept} == {name: getattr(before, name) for name in kept}
    assert after.deleted_at is not None
    assert [(each.sha256, each.bytes, each.available) for each in after.outputs] == [("0" * 64, 100, False)]
    assert (after.parameters, after.parameters_raw, after.labels, after.inputs, after.seeds) == (
        {},
        {},
        {},
        [],
        [],
    )
    assert [event.type for event in after.events] == [*(event.type for event in before.events), "deleted"]
    assert after.events[-1].detail == {"reason": "requested"}
    assert (
        await Stats(office.db, queue_limit=None, window=5, initial_average_s=1, lease_s=30)(office.team)
        == stats
    )
    assert await office.fetch("SELECT * FROM usage_daily") == usage


async def test_for_its_owner_it_is_gone(office: Office) -> None:
    song = await office.a_song()
    path = (await History(office.db)(office.team, song)).outputs[0].path
    await office.erase(song)
    assert await Query(office.db)(office.team, [song]) == {}
    with pytest.raises(NotFoundError):
        await History(office.db)(office.team, song)
    with pytest.raises(NotFoundError):
        await Audio(office.db, office.store).find(office.team, path)
    assert await office.erase(song) == "succeeded", "as the first time, should the answer have got lost"
    for who, filters, found in (
        (office.team, Filters(), 0),
        (None, Filters(), 0),
        (office.team, Filters(sha256="0" * 64), 0),
        (None, Filters(sha256="0" * 64), 1),
    ):
        page = await Lists(office.db, pepper=b"")(who, filters, newest_first=True, limit=5, cursor=None)
        assert len(page.items) == found, (who, filters)


async def test_a_running_task_is_cancelled_first(office: Office) -> None:
    running = (await a_running_task(office.db, office.team)).id
    with pytest.raises(ConflictError, match="cancel it first"):
        await office.erase(running)


async def test_a_waiting_task_is_cancelled_and_erased(office: Office) -> None:
    waiting = await a_task(office.db, office.team, prompt=SECRET)
    assert await office.erase(waiting) == "cancelled"
    record = await History(office.db)(None, waiting)
    assert [event.type for event in record.events] == ["queued", "cancelled", "deleted"]
    assert SECRET not in await contents(office)
    (state,) = await office.fetch("SELECT cancelled, running FROM team_state")
    assert tuple(state) == (1, 0)


async def test_a_legal_hold_keeps_everything(office: Office) -> None:
    song, waiting = await office.a_song(), await a_task(office.db, office.team)
    await office.fetch("UPDATE tasks SET legal_hold = true")
    for task in (song, waiting):
        with pytest.raises(ConflictError, match="legal hold"):
            await office.erase(task)
        with pytest.raises(ConflictError, match="legal hold"):
            await office.erase(task, is_admin=True)
    assert (await History(office.db)(office.team, waiting)).state == "queued"


async def test_a_store_that_is_away_does_not_keep_the_content(office: Office) -> None:
    song = await office.a_song()
    (office.folder / "objects").rename(office.folder / "away")
    (office.folder / "objects").write_text("not a folder")
    assert await office.erase(song) == "succeeded"
    assert SECRET not in await contents(office)


def operations(db: Database) -> Operations:
    async def ping() -> None:
        return None

    return Operations(
        db, ListeningDoorbell(), FolderStore(Path()), ping_redis=ping, queue_limit=None, lease_s=30
    )


def retention(office: Office, *, days: int | None) -> Retention:
    return Retention(office.db, office.store, record_days=days)


OLD = "UPDATE tasks SET finished_at = now() - interval '1 day' * $1 WHERE finished_at IS NOT NULL"


async def test_records_go_when_their_time_is_over(office: Office) -> None:
    old = await office.a_song()
    await office.fetch(OLD, 11)
    young, waiting = await office.a_song(), await a_task(office.db, office.team)
    assert await retention(office, days=None).erase_old_records() == 0
    assert await retention(office, days=10).erase_old_records() == 1
    assert await retention(office, days=10).erase_old_records() == 0
    record = await History(office.db)(None, old)
    assert record.deleted_at is not None
    assert (record.events[-1].actor, record.events[-1].detail) == ("system", {"reason": "retention"})
    assert {(await History(office.db)(None, task)).deleted_at for task in (young, waiting)} == {None}
    files = [path for path in (office.folder / "objects").rglob("*") if path.is_file()]
    assert len(files) == 1


async def test_the_number_of_the_team_wins_and_a_hold_keeps(office: Office) -> None:
    short = await a_team(office.url, "short", record_retention_days=1)
    for team in (office.team, short, short):
        await a_finished_task(office.db, team)
    await office.fetch(OLD, 5)
    await office.fetch("UPDATE tasks SET legal_hold = true WHERE seq = (SELECT max(seq) FROM tasks)")
    assert await retention(office, days=10).erase_old_records() == 1
    assert await retention(office, days=None).erase_old_records() == 0
    assert await retention(office, days=2).erase_old_records() == 1


async def test_prompt_jobs_are_forgotten_after_a_week(office: Office) -> None:
    old, song = await a_finished_task(office.db, office.team), await a_finished_task(office.db, office.team)
    await office.fetch("UPDATE tasks SET kind = 'format_input', lane = 0 WHERE id = $1", old)
    await office.fetch(OLD, 6)
    assert await retention(office, days=None).forget_prompt_jobs() == 0
    await office.fetch(OLD, 8)
    await office.fetch("DELETE FROM objects WHERE task_seq = (SELECT seq FROM tasks WHERE id = $1)", old)
    assert await retention(office, days=None).forget_prompt_jobs() == 1
    assert [row["id"] for row in await office.fetch("SELECT id FROM tasks")] == [song]
    assert await office.fetch("SELECT FROM task_events WHERE task_seq = 1") == []
