"""Retry and re-run: a new task from an old one, in the same queue, under the same limits."""

import hashlib
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from app.db.engine import Database
from app.domain.errors import ConflictError, NotFoundError, QueueFullError
from app.domain.inputs import ReceivedFile, Role
from app.domain.keys import Scope
from app.domain.offers import ModelOffer, Offers
from app.domain.record import Record
from app.domain.rerun import Wish
from app.domain.submission import parse_submission
from app.domain.task import Accepted, Caller, TaskId, TeamId
from app.services import Relation
from app.services.erase import Erase
from app.services.history import History
from app.services.lifecycle import Lifecycle
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
    with pytest.raises(ConflictError, match="input no longer available"):
        await office.again(accepted.task_id, Relation.RETRY)
    assert await office.again(accepted.task_id, overrides={"src_audio_path": None, "task_type": "text2music"})


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
