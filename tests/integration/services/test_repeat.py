"""Retry and re-run: a new task from an old one, in the same queue, under the same limits."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from app.db.engine import Database
from app.db.tasks import Actor
from app.domain.errors import ConflictError, NotFoundError, QueueFullError, ValidationError
from app.domain.inputs import ReceivedFile, Role
from app.domain.keys import Scope
from app.domain.offers import ModelOffer, Offers
from app.domain.record import Record
from app.domain.rerun import Wish
from app.domain.submission import parse_submission
from app.domain.task import Accepted, Caller, TaskId, TeamId
from app.services import Relation
from app.services.audio import Audio
from app.services.erase import Erase
from app.services.history import History
from app.services.lifecycle import Lifecycle
from app.services.recovery import Recovery
from app.services.repeat import Repeat
from app.services.submit import Submit
from app.storage.folder import FolderStore
from tests.audio_files import a_wav
from tests.builders import MODEL, WORKER, a_clip, a_team, claim, uploads_below
from tests.fakes import ListeningDoorbell

OFFERS = Offers(models=[ModelOffer(name=MODEL, category="turbo")], default_model=MODEL)
BODY = {"prompt": "a song", "batch_size": 1, "labels": {"a": "b"}, "audio_format": "wav"}


class Office:
    """Submitting, finishing and repeating, as the API and a worker do it."""

    def __init__(self, db: Database, team: TeamId, folder: Path, *, queue_limit: int | None = None) -> None:
        self.db = db
        self.team = team
        self.folder = folder
        self.doorbell = ListeningDoorbell()
        uploads = uploads_below(folder, db)
        self.submit = Submit(db, self.doorbell, uploads, queue_limit=queue_limit, ageing_s=600)
        self.repeat = Repeat(db, submit=self.submit, offers=self.offers)

    async def offers(self, team_id: TeamId) -> Offers:
        return OFFERS

    def caller(self, *scopes: Scope) -> Caller:
        return Caller(team_id=self.team, key_id=None, scopes=frozenset(scopes))

    async def submitted(self, *, source: bytes | None = None, **body: Any) -> TaskId:
        files = {}
        if source is not None:
            path = self.folder / "source.wav"
            path.write_bytes(source)
            digest = hashlib.sha256(source).hexdigest()
            files = {Role.SOURCE: ReceivedFile(path=path, size_bytes=len(source), sha256=digest)}
        submission = parse_submission(
            {**BODY, **body}, content_type="application/json", offers=OFFERS, uploaded=files
        )
        return (
            await self.submit(self.caller(), submission, request_id="r", client=None, files=files)
        ).task_id

    async def ended(self, *, fails: bool = False, **task: Any) -> TaskId:
        task_id = await self.submitted(**task)
        (claimed,) = await claim(self.db)
        lifecycle = Lifecycle(self.db, self.doorbell, worker_id=WORKER, lease_s=30, max_crashes=3)
        if fails:
            await lifecycle.fail(claimed, code="timeout", message="too long", trace=None, retryable=False)
        else:
            await lifecycle.succeed(claimed, result={"items": []}, clips=[a_clip(claimed)], gpu_seconds=1)
        return task_id

    async def again(
        self,
        task: TaskId,
        relation: Relation = Relation.RERUN,
        *,
        caller: Caller | None = None,
        **wish: Any,
    ) -> Accepted:
        caller = caller or self.caller()
        return await self.repeat(
            caller,
            None if Scope.ADMIN in caller.scopes else caller.team_id,
            task,
            relation,
            Wish(**wish),
            request={"x": "y"},
            request_id="again",
            client={"ip": "::1", "user_agent": "tests"},
        )

    async def record(self, task: TaskId) -> Record:
        return await History(self.db)(None, task)


@pytest_asyncio.fixture
async def office(db: Database, team: TeamId, tmp_path: Path) -> Office:
    return Office(db, team, tmp_path)


async def test_a_retry_is_the_same_again(office: Office) -> None:
    failed = await office.ended(fails=True, bpm=120, webhook_url="https://example.org/")
    accepted = await office.again(failed, Relation.RETRY)
    old, new = await office.record(failed), await office.record(accepted.task_id)
    assert accepted.queue_position == 1
    assert (new.parent_id, new.parent_relation, new.state) == (str(failed), "retry", "queued")
    for name in ("parameters", "seeds", "lm_seed", "labels", "priority", "dit_model", "team_id", "task_type"):
        assert getattr(new, name) == getattr(old, name), name
    assert (new.parameters_raw, new.content_type, new.request_id) == ({"x": "y"}, "application/json", "again")
    assert new.client == {"ip": "::1", "user_agent": "tests"}
    assert office.doorbell.rung[-1] == accepted.task_id
    (claimed,) = await claim(office.db)
    assert claimed.params["seeds"] == old.seeds
    assert (await office.record(failed)).state == "failed", "the old one stays as it was"


@pytest.mark.parametrize("relation", list(Relation))
async def test_what_has_not_ended_cannot_be_repeated(office: Office, relation: Relation) -> None:
    waiting = await office.submitted()
    with pytest.raises(ConflictError, match="the task is queued"):
        await office.again(waiting, relation)
    await claim(office.db)
    with pytest.raises(ConflictError, match="the task is running"):
        await office.again(waiting, relation)


async def test_a_retry_is_for_what_went_wrong(office: Office) -> None:
    done, failed = await office.ended(), await office.ended(fails=True)
    with pytest.raises(ConflictError, match="re-run it instead"):
        await office.again(done, Relation.RETRY)
    for task in (done, failed):
        assert (await office.again(task)).task_id


async def test_a_rerun_takes_overrides_and_new_seeds(office: Office) -> None:
    done = await office.ended()
    accepted = await office.again(done, has_new_seeds=True, overrides={"prompt": "other", "batch_size": 2})
    old, new = await office.record(done), await office.record(accepted.task_id)
    assert (new.parameters["prompt"], len(new.seeds)) == ("other", 2)
    assert set(new.seeds).isdisjoint(old.seeds)
    assert new.lm_seed != old.lm_seed
    assert new.parent_relation == "rerun"


async def test_inputs_are_taken_over_while_they_are_there(office: Office, team: TeamId) -> None:
    cover = await office.ended(task_type="cover", source=a_wav())
    accepted = await office.again(cover)
    old, new = await office.record(cover), await office.record(accepted.task_id)
    assert new.inputs == old.inputs
    assert new.parameters["src_audio_path"] == old.inputs[0].path
    (claimed,) = await claim(office.db)
    assert claimed.inputs[0]["storage_key"]
    await Erase(office.db, FolderStore(office.folder / "objects"))(office.caller(), team, cover)
    lifecycle = Lifecycle(office.db, office.doorbell, worker_id=WORKER, lease_s=30, max_crashes=3)
    await lifecycle.fail(claimed, code="timeout", message="x", trace=None, retryable=False)
    assert await sweeper(office).expire_audio() == 1, "nobody needs it any more"
    with pytest.raises(ConflictError, match="input no longer available"):
        await office.again(accepted.task_id, Relation.RETRY)
    assert await office.again(accepted.task_id, overrides={"src_audio_path": None, "task_type": "text2music"})


def stored(office: Office) -> int:
    return sum(path.is_file() for path in (office.folder / "objects").rglob("*"))


def sweeper(office: Office) -> Recovery:
    store = FolderStore(office.folder / "objects")
    return Recovery(office.db, office.doorbell, max_crashes=3, lease_s=0, store=store)


async def erase(office: Office, task: TaskId) -> None:
    await Erase(office.db, FolderStore(office.folder / "objects"))(office.caller(), office.team, task)


async def fetch(url: str, statement: str, *values: Any) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(statement, *values))
    finally:
        await connection.close()


async def test_an_input_stays_while_a_task_made_from_the_erased_one_needs_it(office: Office) -> None:
    cover = await office.ended(task_type="cover", source=a_wav())
    path = (await office.record(cover)).inputs[0].path
    assert path is not None
    child = (await office.again(cover)).task_id
    await erase(office, cover)
    store = FolderStore(office.folder / "objects")
    with pytest.raises(NotFoundError):
        await Audio(office.db, store).find(office.team, path)
    with pytest.raises(ValidationError, match="audio path not available"):
        await office.submitted(task_type="cover", src_audio_path=path)
    assert (await sweeper(office).expire_audio(), await sweeper(office).remove_orphans(older_than_s=0)) == (
        0,
        0,
    )
    assert stored(office) == 1
    (claimed,) = await claim(office.db)
    assert (claimed.id, await store.stat(claimed.inputs[0]["storage_key"]) is None) == (child, False)
    lifecycle = Lifecycle(office.db, office.doorbell, worker_id=WORKER, lease_s=30, max_crashes=3)
    await lifecycle.succeed(claimed, result={"items": []}, clips=[], gpu_seconds=1)
    assert await sweeper(office).expire_audio() == 1
    assert stored(office) == 0
    types = [event.type for event in (await office.record(cover)).events]
    assert types[-1] == "deleted", "an erasure is not told as an expiry"
    with pytest.raises(ConflictError, match="input no longer available"):
        await office.again(child)


async def test_an_output_stays_while_a_waiting_task_needs_it(office: Office, database_url: str) -> None:
    song = await office.ended()
    path = (await office.record(song)).outputs[0].path
    waiting = await office.submitted(task_type="cover", src_audio_path=path)
    await fetch(database_url, "UPDATE objects SET expires_at = now() - interval '1 day'")
    assert await sweeper(office).expire_audio() == 0
    async with office.db.autocommit() as work:
        await work.tasks.cancel_queued(office.team, waiting, actor=Actor(kind="client"))
    assert await sweeper(office).expire_audio() == 1


async def test_a_legal_hold_of_a_task_keeps_its_inputs_for_a_rerun(office: Office, database_url: str) -> None:
    cover = await office.ended(task_type="cover", source=a_wav())
    child = await office.again(cover)
    (claimed,) = await claim(office.db)
    lifecycle = Lifecycle(office.db, office.doorbell, worker_id=WORKER, lease_s=30, max_crashes=3)
    await lifecycle.fail(claimed, code="timeout", message="x", trace=None, retryable=False)
    hold = "UPDATE tasks SET legal_hold = $2 WHERE id = $1"
    await fetch(database_url, hold, child.task_id, True)
    await erase(office, cover)
    assert await sweeper(office).expire_audio() == 0
    again = await office.again(child.task_id, Relation.RETRY)
    async with office.db.autocommit() as work:
        await work.tasks.cancel_queued(office.team, again.task_id, actor=Actor(kind="client"))
    await fetch(database_url, hold, child.task_id, False)
    assert await sweeper(office).expire_audio() == 1
    assert stored(office) == 0


async def test_erasing_and_repeating_at_once_leave_no_task_without_its_input(office: Office) -> None:
    for _ in range(5):
        cover = await office.ended(task_type="cover", source=a_wav())
        made, _ = await asyncio.gather(office.again(cover), erase(office, cover), return_exceptions=True)
        if isinstance(made, Accepted):
            (claimed,) = await claim(office.db)
            assert stored(office) == 1
            lifecycle = Lifecycle(office.db, office.doorbell, worker_id=WORKER, lease_s=30, max_crashes=3)
            await lifecycle.fail(claimed, code="timeout", message="x", trace=None, retryable=False)
        else:
            assert isinstance(made, ConflictError | NotFoundError), made
        await sweeper(office).expire_audio()
        assert stored(office) == 0


async def test_the_limits_hold(db: Database, team: TeamId, tmp_path: Path) -> None:
    office = Office(db, team, tmp_path, queue_limit=1)
    done = await office.ended()
    await office.again(done)
    with pytest.raises(QueueFullError):
        await office.again(done)


async def test_a_foreign_task_is_not_there_but_for_admins(office: Office, database_url: str) -> None:
    other = await a_team(database_url, "other")
    done = await office.ended()
    stranger = Caller(team_id=other, key_id=None, scopes=frozenset())
    with pytest.raises(NotFoundError, match="task not found"):
        await office.again(done, caller=stranger)
    admin = Caller(team_id=other, key_id=None, scopes=frozenset({Scope.ADMIN}))
    accepted = await office.again(done, caller=admin)
    assert (await office.record(accepted.task_id)).team_id == (await office.record(done)).team_id


async def test_what_was_erased_cannot_be_repeated(office: Office, team: TeamId) -> None:
    done = await office.ended()
    await Erase(office.db, FolderStore(office.folder / "objects"))(office.caller(), team, done)
    with pytest.raises(NotFoundError):
        await office.again(done)
    with pytest.raises(ConflictError, match="erased"):
        await office.again(done, caller=office.caller(Scope.ADMIN))


async def test_a_refused_repetition_leaves_nothing(
    db: Database, team: TeamId, tmp_path: Path, database_url: str
) -> None:
    office = Office(db, team, tmp_path, queue_limit=0)
    connection = await asyncpg.connect(database_url)
    try:
        done = await Office(db, team, tmp_path).ended()
        before = await connection.fetchval("SELECT count(*) FROM tasks")
        with pytest.raises(QueueFullError):
            await office.again(done)
        assert await connection.fetchval("SELECT count(*) FROM tasks") == before
        assert await connection.fetchval("SELECT count(*) FROM task_terms WHERE term LIKE 'parent=%'") == 0
    finally:
        await connection.close()
