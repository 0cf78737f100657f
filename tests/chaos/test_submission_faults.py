"""An API process dies in the middle of a submission: rows 1 to 3 of the fault matrix (docs/faults.md)."""

import asyncio
import io
import signal
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.db.engine import Database
from app.services.recovery import Recovery
from tests.chaos.fleet import Fleet
from tests.fakes import ListeningDoorbell

pytestmark = [pytest.mark.chaos, pytest.mark.inference]

GATE = 4711
BODY = {"prompt": "steps=2 clip=0.1", "audio_duration": "10", "batch_size": "1", "audio_format": "wav"}


def a_wav() -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(32000))
    return target.getvalue()


@asynccontextmanager
async def submissions_wait(fleet: Fleet, *, at_commit: bool) -> AsyncIterator[asyncpg.Connection]:
    """Every new task waits for us, in its INSERT or in its COMMIT; goes on when the block ends."""
    kind = "CONSTRAINT TRIGGER" if at_commit else "TRIGGER"
    when = "DEFERRABLE INITIALLY DEFERRED" if at_commit else ""
    connection = await asyncpg.connect(fleet.stack.database_url)
    await connection.execute(
        f"""
        CREATE OR REPLACE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_advisory_xact_lock({GATE}); RETURN NULL; END $$;
        CREATE {kind} wait_here AFTER INSERT ON tasks {when} FOR EACH ROW EXECUTE FUNCTION wait_here();
        SELECT pg_advisory_lock({GATE});
        """
    )
    try:
        yield connection
    finally:
        await connection.execute(f"SELECT pg_advisory_unlock({GATE})")
        await connection.execute("DROP TRIGGER wait_here ON tasks")
        await connection.close()


async def send(url: str, key: str, *, with_file: bool = False) -> str:
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        files = {"src_audio": ("song.wav", a_wav())} if with_file else None
        fields = {**BODY, "task_type": "cover"} if with_file else BODY
        answer = await client.post(
            "/release_task", data=fields, files=files, headers={"Idempotency-Key": key}
        )
    return str(answer.raise_for_status().json()["data"]["task_id"])


async def killed_in_a_submission(fleet: Fleet, key: str, *, at_commit: bool, with_file: bool = False) -> None:
    """Kill an API process while its submission hangs in the database, and start it again."""
    async with submissions_wait(fleet, at_commit=at_commit) as connection:
        sending = asyncio.create_task(send(fleet.apis[0].url, key, with_file=with_file))

        async def hangs() -> bool:
            waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE objid = $1 AND NOT granted)"
            return bool(await connection.fetchval(waiting, GATE))

        await fleet.host.until(hangs, what="the submission to reach the database", every_s=0.01)
        await fleet.apis[0].stop("api", signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            await sending
    await fleet.start_api(fleet.apis[0])


async def ids_of(fleet: Fleet, key: str) -> list[str]:
    connection = await asyncpg.connect(fleet.stack.database_url)
    rows = await connection.fetch("SELECT id FROM tasks WHERE idempotency_key = $1", key)
    await connection.close()
    return [str(row["id"]) for row in rows]


async def test_killed_before_the_commit_with_an_upload(fleet: Fleet) -> None:
    """No row; the stored upload goes with the sweep, and a repetition makes one task."""
    key = f"before-{uuid4()}"
    await killed_in_a_submission(fleet, key, at_commit=False, with_file=True)
    assert await ids_of(fleet, key) == []
    inputs = [item.key async for item in fleet.store.list("i/")]
    assert len(inputs) == 1
    database = Database(fleet.stack.database_url)
    recovery = Recovery(database, ListeningDoorbell(), max_crashes=3, lease_s=2, store=fleet.store)
    assert await recovery.remove_orphans(older_than_s=0) == 1
    await database.close()
    task_id = await send(fleet.apis[1].url, key, with_file=True)
    assert (await fleet.apis[0].finished(task_id)).status == 1
    assert await ids_of(fleet, key) == [task_id]


async def test_killed_between_commit_and_answer(fleet: Fleet) -> None:
    """The row is there; a repetition gets its id, and it runs once."""
    key = f"after-{uuid4()}"
    await killed_in_a_submission(fleet, key, at_commit=True)

    async def committed() -> list[str]:
        return await ids_of(fleet, key)

    (stored,) = await fleet.host.until(committed, what="the commit that nobody waited for")
    assert await send(fleet.apis[1].url, key) == stored
    assert (await fleet.apis[0].finished(stored)).status == 1
    assert await ids_of(fleet, key) == [stored]
