"""Inputs of tasks: rows and objects together or not at all, and paths that tell nothing."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.db.engine import Database
from app.db.tasks import Actor
from app.db.unit_of_work import UnitOfWork
from app.domain.errors import (
    DatabaseUnavailableError,
    QueueFullError,
    ServiceError,
    StorageUnavailableError,
    TooLargeError,
    ValidationError,
)
from app.domain.inputs import Origin, ReceivedFile, Role
from app.domain.task import Accepted, TeamId
from app.services.submit import Submit
from app.services.uploads import Uploads
from app.storage.folder import FolderStore
from tests.audio_files import a_flac, a_wav, an_mp3
from tests.builders import a_clip, a_running_task, a_team, claim, plain_kinds, uploads_below
from tests.fakes import ListeningDoorbell
from tests.integration.services.test_submit import a_submission, caller

Files = Mapping[Role, ReceivedFile]
NO_FILES: Files = {}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inputs").mkdir()
    return tmp_path


@pytest.fixture
def uploads(db: Database, folder: Path) -> Uploads:
    return uploads_below(folder, db)


def received(folder: Path, content: bytes) -> ReceivedFile:
    digest = hashlib.sha256(content).hexdigest()
    path = folder / digest
    path.write_bytes(content)
    return ReceivedFile(path=path, size_bytes=len(content), sha256=digest)


async def submit(
    db: Database,
    uploads: Uploads,
    team: TeamId,
    files: Files = NO_FILES,
    *,
    queue_limit: int | None = None,
    retention_days: int | None = None,
    **params: Any,
) -> Accepted:
    service = Submit(
        db,
        ListeningDoorbell(),
        uploads,
        queue_limit=queue_limit,
        ageing_s=600,
        retention_days=retention_days,
    )
    return await service(caller(team), a_submission(**params), request_id="r", client=None, files=files)


async def stored(folder: Path) -> list[str]:
    return [item.key async for item in FolderStore(folder / "objects").list("")]


async def rows(database_url: str, query: str) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(database_url)
    try:
        return [dict(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_uploads_become_rows_objects_and_inputs_of_the_claim(
    db: Database, team: TeamId, uploads: Uploads, folder: Path, database_url: str
) -> None:
    wav, mp3 = a_wav(seconds=2), an_mp3()
    files = {Role.SOURCE: received(folder, wav), Role.REFERENCE: received(folder, mp3)}
    accepted = await submit(db, uploads, team, files)

    (task,) = await claim(db)
    reference, source = task.inputs
    assert task.id == accepted.task_id
    assert (source["role"], source["origin"], source["duration"]) == ("source", "upload", 2.0)
    assert (reference["role"], reference["duration"], reference["bytes"]) == ("reference", None, len(mp3))
    assert source["sha256"] == hashlib.sha256(wav).hexdigest()
    assert task.params["src_audio_path"] == source["path"]
    assert task.params["reference_audio_path"] == reference["path"]
    assert sorted(await stored(folder)) == sorted([reference["storage_key"], source["storage_key"]])
    assert source["storage_key"].startswith("i/")
    assert f"/{team}/" in source["storage_key"]
    objects = await rows(database_url, "SELECT * FROM objects ORDER BY id")
    assert {row["public_key"] for row in objects} == {source["path"], reference["path"]}
    assert {row["role"] for row in objects} == {"input"}
    assert all(row["task_seq"] is not None and row["expires_at"] is None for row in objects)
    async with db.autocommit() as work:
        assert await work.objects.by_public_key(team, source["path"]) is not None


@pytest.mark.parametrize("limit", ["service", "team"])
async def test_a_full_queue_leaves_no_row_and_no_object(
    db: Database, team: TeamId, uploads: Uploads, folder: Path, database_url: str, limit: str
) -> None:
    if limit == "team":
        await rows(database_url, "UPDATE teams SET max_queued = 0")
    with pytest.raises(QueueFullError):
        await submit(db, uploads, team, {Role.SOURCE: received(folder, a_wav())}, queue_limit=0)
    assert await stored(folder) == []
    assert await rows(database_url, "SELECT id FROM objects") == []
    assert await rows(database_url, "SELECT id FROM tasks") == []


async def test_a_statement_that_fails_leaves_no_object(
    db: Database, team: TeamId, uploads: Uploads, folder: Path
) -> None:
    with pytest.raises(Exception, match="null value in column"):
        await submit(db, uploads, team, {Role.SOURCE: received(folder, a_wav())}, model=None)
    assert await stored(folder) == []


class FailingDatabase(Database):
    """Its transactions fail while it is told so: before they begin, or after their commit."""

    fails: str | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[UnitOfWork]:
        if self.fails == "before":
            raise DatabaseUnavailableError
        async with super().transaction() as work:
            yield work
        if self.fails == "after":
            raise DatabaseUnavailableError


@pytest.mark.parametrize(("fails", "kept"), [("before", 0), ("after", 1)])
async def test_after_an_outage_inputs_stay_only_if_their_task_was_stored(
    team: TeamId,
    folder: Path,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    fails: str,
    kept: int,
) -> None:
    monkeypatch.setattr("app.services.submit.RETRY_LIMIT_S", 0.0)
    database = FailingDatabase(database_url)
    uploads = uploads_below(folder, database)
    database.fails = fails
    with pytest.raises(DatabaseUnavailableError):
        await submit(database, uploads, team, {Role.SOURCE: received(folder, a_wav())})
    assert len(await stored(folder)) == 1
    database.fails = None
    for _ in range(100):
        if not uploads._settling:
            break
        await asyncio.sleep(0.05)
    assert len(await stored(folder)) == kept
    assert len(await rows(database_url, "SELECT id FROM objects")) == kept
    await database.close()


async def test_one_bad_file_keeps_the_other_out_of_the_store(
    db: Database, team: TeamId, uploads: Uploads, folder: Path
) -> None:
    files = {Role.REFERENCE: received(folder, a_wav()), Role.SOURCE: received(folder, b"a text")}
    with pytest.raises(ValidationError, match=r"^source audio: this type of file is not supported"):
        await submit(db, uploads, team, files)
    assert await stored(folder) == []


async def test_a_store_that_fails_between_two_files_keeps_neither(
    db: Database, team: TeamId, uploads: Uploads, folder: Path
) -> None:
    files = {
        Role.REFERENCE: received(folder, a_wav()),
        Role.SOURCE: replace(received(folder, a_flac()), sha256="0" * 64),
    }
    with pytest.raises(ServiceError, match="sha256"):
        await submit(db, uploads, team, files)
    assert await stored(folder) == []


async def test_a_store_that_is_away_is_told(
    db: Database, team: TeamId, uploads: Uploads, folder: Path, database_url: str
) -> None:
    file = received(folder, a_wav())
    (folder / "objects").rename(folder / "away")
    with pytest.raises(StorageUnavailableError):
        await submit(db, uploads, team, {Role.SOURCE: file})
    assert await rows(database_url, "SELECT id FROM tasks") == []


async def test_own_audio_is_named_by_its_key_and_not_copied(
    db: Database, team: TeamId, uploads: Uploads, folder: Path
) -> None:
    done = await a_running_task(db, team)
    clip = a_clip(done)
    async with db.autocommit() as work:
        await work.tasks.succeed(
            done.id, 1, actor=Actor(kind="worker"), result={}, clips=[clip], gpu_seconds=0
        )
    url = "https://other.host/v1/audio?path=" + clip["public_key"].replace("/", "%2F")
    await submit(db, uploads, team, src_audio_path=url, reference_audio_path="/" + clip["public_key"])
    (task,) = await claim(db)
    expected = {
        "origin": "output",
        "path": clip["public_key"],
        "storage_key": clip["storage_key"],
        "sha256": clip["sha256"],
        "bytes": 100,
        "duration": 10.0,
    }
    assert task.inputs == [{"role": "reference"} | expected, {"role": "source"} | expected]
    assert await stored(folder) == []


async def test_an_upload_can_be_used_again(
    db: Database, team: TeamId, uploads: Uploads, folder: Path, database_url: str
) -> None:
    await submit(db, uploads, team, {Role.SOURCE: received(folder, a_wav())})
    (first,) = await claim(db)
    await submit(db, uploads, team, src_audio_path=first.inputs[0]["path"])
    (second,) = await claim(db)
    assert second.inputs == first.inputs
    assert len(await rows(database_url, "SELECT id FROM objects")) == 1


async def test_a_file_of_an_allowed_folder_is_copied(
    db: Database, team: TeamId, uploads: Uploads, folder: Path
) -> None:
    content = a_flac(frames=44100 * 3)
    (folder / "inputs" / "deep").mkdir()
    (folder / "inputs" / "deep" / "song").write_bytes(content)
    (folder / "elsewhere").symlink_to(folder / "inputs")
    for path in ("inputs/deep/song", "inputs/deep/../deep/song", "elsewhere/deep/song"):
        await submit(db, uploads, team, src_audio_path=str(folder / path))
        (task,) = await claim(db)
        (source,) = task.inputs
        assert (source["origin"], source["duration"]) == (Origin.SERVER, 3.0)
        assert source["sha256"] == hashlib.sha256(content).hexdigest()
        assert task.params["src_audio_path"] == source["path"] != path
    assert len(await stored(folder)) == 3
    assert list((folder / "spool").iterdir()) == []


async def test_a_named_file_obeys_the_same_limits(
    db: Database, team: TeamId, uploads: Uploads, folder: Path
) -> None:
    path = folder / "inputs" / "x"
    path.write_bytes(bytes(1_000_001))
    with pytest.raises(TooLargeError, match="a file is larger than 1000000 bytes"):
        await submit(db, uploads, team, src_audio_path=str(path))
    path.write_bytes(a_flac(frames=44100 * 601))
    with pytest.raises(ValidationError, match="source audio: audio is longer than 600 seconds"):
        await submit(db, uploads, team, src_audio_path=str(path))


async def test_missing_foreign_expired_and_forbidden_paths_are_one_refusal(
    db: Database, team: TeamId, uploads: Uploads, folder: Path, database_url: str
) -> None:
    foreign_team = await a_team(database_url, "others")
    await submit(db, uploads, foreign_team, {Role.SOURCE: received(folder, a_wav())})
    (foreign,) = await claim(db)
    await submit(db, uploads, team, {Role.SOURCE: received(folder, a_wav())})
    (expired,) = await claim(db)
    await rows(database_url, f"UPDATE objects SET deleted_at = now() WHERE team_id = {team}")  # noqa: S608
    inputs = folder / "inputs"
    (folder / "secret.wav").write_bytes(a_wav())
    (inputs / "link.wav").symlink_to(folder / "secret.wav")
    (inputs / "loop").symlink_to(inputs / "loop")
    os.mkfifo(inputs / "pipe")
    (folder / "inputs-more").mkdir()
    (folder / "inputs-more" / "a.wav").write_bytes(a_wav())
    refused = [
        f"audio/{'0' * 32}.wav",
        foreign.inputs[0]["path"],
        "/v1/audio?path=" + foreign.inputs[0]["path"],
        expired.inputs[0]["path"],
        "/etc/passwd",
        "/proc/self/environ",
        "/dev/zero",
        "/does/not/exist.wav",
        str(inputs),
        str(inputs / "missing.wav"),
        str(inputs / "link.wav"),
        str(inputs / "loop"),
        str(inputs / "pipe"),
        str(inputs / ".." / "secret.wav"),
        str(folder / "inputs-more" / "a.wav"),
        str(inputs / ("x" * 5000)),
        "file:///etc/passwd",
        "http://169.254.169.254/latest",
        "../inputs/a.wav",
        "~/a.wav",
    ]
    for path in refused:
        for name in ("src_audio_path", "reference_audio_path"):
            with pytest.raises(ValidationError) as caught:
                await submit(db, uploads, team, **{name: path})
            assert caught.value.message == "audio path not available", path


async def test_without_allowed_folders_no_path_is_touched(
    db: Database, team: TeamId, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = Uploads(
        db,
        FolderStore(folder / "objects"),
        spool_dir=folder / "spool",
        input_dirs=[],
        kinds=plain_kinds,
        max_bytes=1000,
        max_seconds=600,
    )
    touched: list[Any] = []
    monkeypatch.setattr(os, "open", lambda *given, **_: touched.append(given))
    monkeypatch.setattr(os, "lstat", lambda *given, **_: touched.append(given))
    with pytest.raises(ValidationError, match="audio path not available"):
        await submit(db, uploads, team, src_audio_path="/etc/passwd")
    assert touched == []


@pytest.mark.parametrize(("of_team", "of_service", "days"), [(3, None, 3), (3, 9, 3), (None, 9, 9)])
async def test_inputs_and_outputs_expire_as_the_team_or_else_the_service_says(
    db: Database,
    team: TeamId,
    uploads: Uploads,
    folder: Path,
    database_url: str,
    of_team: int | None,
    of_service: int | None,
    days: int,
) -> None:
    if of_team:
        await rows(database_url, f"UPDATE teams SET audio_retention_days = {of_team}")  # noqa: S608
    files = {Role.SOURCE: received(folder, a_wav())}
    await submit(db, uploads, team, files, retention_days=of_service)
    (task,) = await claim(db)
    async with db.autocommit() as work:
        await work.tasks.succeed(
            task.id,
            1,
            actor=Actor(kind="worker"),
            result={},
            clips=[a_clip(task)],
            gpu_seconds=0,
            retention_days=of_service,
        )
    kept = await rows(database_url, "SELECT role, expires_at - created_at AS kept FROM objects")
    assert {row["role"] for row in kept} == {"input", "output"}
    assert {round(row["kept"].total_seconds() / 86400, 3) for row in kept} == {days}
