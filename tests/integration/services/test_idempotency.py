"""One key, one task: under concurrency, when the queue is full, and until the key is forgotten."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from app.db.engine import Database
from app.db.tasks import Actor
from app.domain.errors import ConflictError, QueueFullError
from app.domain.idempotency import Idempotency
from app.domain.inputs import Role
from app.domain.task import Accepted, TeamId
from app.services.recovery import Recovery
from app.services.submit import Submit
from tests.audio_files import a_wav
from tests.builders import a_team, uploads_below
from tests.fakes import ListeningDoorbell
from tests.integration.services.test_submit import a_submission, caller
from tests.integration.services.test_uploads import received
from tests.servers import execute

SAME, OTHER = b"a", b"b"

MakeSubmit = Callable[..., Submit]


@pytest.fixture
def doorbell() -> ListeningDoorbell:
    return ListeningDoorbell()


@pytest.fixture
def make(db: Database, tmp_path: Path, doorbell: ListeningDoorbell) -> MakeSubmit:
    def submit(queue_limit: int | None = None) -> Submit:
        return Submit(db, doorbell, uploads_below(tmp_path, db), queue_limit=queue_limit, ageing_s=600)

    return submit


def key(team: TeamId, digest: bytes = SAME) -> Idempotency:
    return Idempotency(key="order-1", digest=digest, team_id=team)


async def ask(submit: Submit, team: TeamId, digest: bytes | None = SAME) -> Accepted:
    given = None if digest is None else key(team, digest)
    return await submit(caller(team), a_submission(), request_id="r", client=None, idempotency=given)


async def count(database_url: str, table: str = "tasks") -> int:
    connection = await asyncpg.connect(database_url)
    found: int = await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
    await connection.close()
    return found


async def test_fifty_at_once_make_one_task(
    make: MakeSubmit, team: TeamId, database_url: str, doorbell: ListeningDoorbell
) -> None:
    submit = make()
    answers = await asyncio.gather(*(ask(submit, team) for _ in range(50)))
    (task_id,) = {answer.task_id for answer in answers}
    assert {answer.queue_position for answer in answers} == {1}
    assert sorted(answer.is_replayed for answer in answers) == [False] + [True] * 49
    assert (await count(database_url), doorbell.rung) == (1, [task_id])


async def test_another_request_with_the_key_is_a_conflict(
    make: MakeSubmit, team: TeamId, database_url: str
) -> None:
    submit = make()
    await ask(submit, team)
    for refused in (ask(submit, team, OTHER), submit.earlier(key(team, OTHER))):
        with pytest.raises(ConflictError, match="another request"):
            await refused
    assert await count(database_url) == 1


async def test_a_full_queue_answers_a_repetition_as_before(make: MakeSubmit, team: TeamId) -> None:
    submit = make(queue_limit=1)
    first = await ask(submit, team)
    with pytest.raises(QueueFullError):
        await ask(submit, team, None)
    again = await ask(submit, team)
    assert (again.task_id, again.queue_position, again.is_replayed) == (first.task_id, 1, True)
    assert await submit.earlier(key(team)) == again


async def test_errors_are_not_kept(make: MakeSubmit, team: TeamId) -> None:
    with pytest.raises(QueueFullError):
        await ask(make(queue_limit=0), team)
    assert await make().earlier(key(team)) is None
    assert not (await ask(make(), team, OTHER)).is_replayed


async def test_a_key_belongs_to_its_team(make: MakeSubmit, team: TeamId, database_url: str) -> None:
    other = await a_team(database_url, "other")
    mine, theirs = await ask(make(), team), await ask(make(), other, OTHER)
    assert mine.task_id != theirs.task_id
    assert not theirs.is_replayed


async def test_a_repetition_for_an_erased_task_makes_no_other(
    make: MakeSubmit, db: Database, team: TeamId, database_url: str
) -> None:
    first = await ask(make(), team)
    await make()(caller(team), a_submission(), request_id="r", client=None)
    async with db.transaction() as work:
        await work.tasks.cancel_queued(team, first.task_id, actor=Actor(kind="client"))
        await work.erasures.erase([1], actor=Actor(kind="client"), reason="asked")
    again = await ask(make(), team)
    assert (again.task_id, again.queue_position, again.is_replayed) == (first.task_id, 1, True)
    assert await count(database_url) == 2


async def test_without_a_key_equal_requests_are_two_tasks(
    make: MakeSubmit, team: TeamId, database_url: str
) -> None:
    for _ in range(2):
        await ask(make(), team, None)
    assert await count(database_url) == 2


async def test_the_upload_of_a_repetition_is_removed(
    make: MakeSubmit, team: TeamId, database_url: str, tmp_path: Path
) -> None:
    for _ in range(2):
        files = {Role.REFERENCE: received(tmp_path, a_wav())}
        await make()(
            caller(team), a_submission(), request_id="r", client=None, files=files, idempotency=key(team)
        )
    assert await count(database_url, "objects") == 1
    stored = [path for path in (tmp_path / "objects").rglob("*.wav") if path.is_file()]
    assert len(stored) == 1


async def test_the_sweeper_forgets_old_keys(
    make: MakeSubmit, db: Database, team: TeamId, database_url: str
) -> None:
    recovery = Recovery(db, ListeningDoorbell(), max_crashes=3, lease_s=30, idempotency_h=24)
    first = await ask(make(), team)
    await execute(database_url, "UPDATE tasks SET created_at = created_at - interval '23 hours'")
    assert await recovery.forget_idempotency_keys() == 0
    await execute(database_url, "UPDATE tasks SET created_at = created_at - interval '1 hour'")
    assert await recovery.forget_idempotency_keys() == 1
    again = await ask(make(), team, OTHER)
    assert (again.task_id != first.task_id, again.is_replayed) == (True, False)
