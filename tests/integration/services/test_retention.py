"""Audio past its retention goes, row first; everything else of the task stays."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest_asyncio

from app.db.engine import Database
from app.db.tasks import Actor, ClaimedTask
from app.domain.task import TaskStatus, TeamId
from app.services.recovery import Recovery
from app.storage.folder import FolderStore
from tests.builders import a_clip, a_running_task
from tests.fakes import ListeningDoorbell

CONTENT = b"x" * 100


@dataclass
class Ended:
    """A succeeded task with one stored clip."""

    task: ClaimedTask
    clip: dict[str, Any]
    store: FolderStore
    url: str

    async def change(self, statement: str) -> Any:
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetch(statement)
        finally:
            await connection.close()

    async def is_stored(self) -> bool:
        return await self.store.stat(self.clip["storage_key"]) is not None


@pytest_asyncio.fixture
async def ended(db: Database, team: TeamId, tmp_path: Path, database_url: str) -> Ended:
    store = FolderStore(tmp_path / "objects")
    content = tmp_path / "clip.wav"
    content.write_bytes(CONTENT)
    digest = hashlib.sha256(CONTENT).hexdigest()
    task = await a_running_task(db, team)
    clip = a_clip(task) | {"sha256": digest}
    await store.put_file(clip["storage_key"], content, sha256=digest, mime="audio/wav")
    async with db.autocommit() as work:
        await work.tasks.succeed(
            task.id,
            1,
            actor=Actor(kind="worker"),
            result={},
            clips=[clip],
            gpu_seconds=0,
            retention_days=1,
        )
    return Ended(task, clip, store, database_url)


EXPIRED = "UPDATE objects SET expires_at = now() - interval '1 s'"


def recovery(db: Database, store: FolderStore) -> Recovery:
    return Recovery(db, ListeningDoorbell(), max_crashes=3, lease_s=0, store=store)


async def test_young_audio_stays(db: Database, ended: Ended) -> None:
    assert await recovery(db, ended.store).expire_audio() == 0
    assert await ended.is_stored()


async def test_old_audio_goes_and_the_task_keeps_the_rest(db: Database, team: TeamId, ended: Ended) -> None:
    await ended.change(EXPIRED)
    assert await recovery(db, ended.store).expire_audio() == 1
    assert not await ended.is_stored()
    async with db.autocommit() as work:
        assert await work.objects.by_public_key(team, ended.clip["public_key"]) is None
        view = (await work.views.by_ids(team, [ended.task.id]))[ended.task.id]
    assert view.status is TaskStatus.SUCCEEDED
    assert [(clip.sha256, clip.available) for clip in view.clips] == [(ended.clip["sha256"], False)]
    (event,) = await ended.change("SELECT * FROM task_events WHERE event = 'audio_expired'")
    assert (event["actor_kind"], event["data"]) == ("sweeper", '{"inputs": 0, "outputs": 1}')
    (row,) = await ended.change("SELECT * FROM objects")
    assert row["delete_reason"] == "expired"
    assert await recovery(db, ended.store).expire_audio() == 0


async def test_a_legal_hold_keeps_it(db: Database, ended: Ended) -> None:
    await ended.change(EXPIRED)
    await ended.change("UPDATE tasks SET legal_hold = true")
    assert await recovery(db, ended.store).expire_audio() == 0
    assert await ended.is_stored()


async def test_inputs_of_a_task_that_has_not_ended_stay(db: Database, team: TeamId, ended: Ended) -> None:
    waiting = await a_running_task(db, team)
    await ended.change(EXPIRED)
    await ended.change(
        f"UPDATE objects SET task_seq = (SELECT seq FROM tasks WHERE id = '{waiting.id}')"  # noqa: S608
    )
    assert await recovery(db, ended.store).expire_audio() == 0


async def test_what_could_not_be_deleted_is_an_orphan(db: Database, ended: Ended, tmp_path: Path) -> None:
    await ended.change(EXPIRED)
    sweeper = recovery(db, ended.store)
    (tmp_path / "objects").rename(tmp_path / "away")
    assert await sweeper.expire_audio() == 1
    (tmp_path / "away").rename(tmp_path / "objects")
    assert await ended.is_stored()
    assert await sweeper.remove_orphans(older_than_s=0) == 1
    assert not await ended.is_stored()


async def test_inputs_without_a_row_are_orphans_too(
    db: Database, team: TeamId, ended: Ended, tmp_path: Path
) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    async with db.autocommit() as work:
        installation = await work.objects.installation()
    foreign = "i/another-installation/1/abc.wav"
    await ended.store.put_file(foreign, tmp_path / "clip.wav", sha256=digest, mime="audio/wav")
    orphan = f"i/{installation}/{team}/abc.wav"
    await ended.store.put_file(orphan, tmp_path / "clip.wav", sha256=digest, mime="audio/wav")
    sweeper = recovery(db, ended.store)
    assert await sweeper.remove_orphans() == 0, "its row may be on the way"
    assert await sweeper.remove_orphans(older_than_s=0) == 1
    assert await ended.is_stored()
