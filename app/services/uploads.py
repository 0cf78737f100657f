"""Inputs of a task: uploaded files and named paths, checked and put into the store before the row."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from app.db.engine import Database, retrying
from app.db.objects import ObjectRow
from app.domain.errors import ServiceError, ValidationError
from app.domain.inputs import (
    PATH_PARAMETERS,
    Origin,
    ReceivedFile,
    Role,
    TaskInput,
    audio_not_available,
    parse_audio_path,
)
from app.domain.ports import ObjectStore
from app.domain.probe import MIME_TYPES, PADDING_S, probe
from app.domain.probe.claim import Claim
from app.domain.task import TeamId
from app.storage.server_files import open_below
from app.storage.spool import Spool, open_spool, spool_copy

log = logging.getLogger(__name__)

RETRY_LIMIT_S = 3.0
SETTLE_LIMIT_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Inputs of one submission.

    Attributes:
        objects: column values of `objects` for those that are new in the store.
    """

    inputs: Sequence[TaskInput] = ()
    objects: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """A file that may go into the store."""

    role: Role
    origin: Origin
    file: ReceivedFile
    claim: Claim


class Uploads:
    """Takes the inputs of submissions."""

    def __init__(
        self,
        database: Database,
        store: ObjectStore,
        *,
        spool_dir: Path,
        input_dirs: Sequence[Path],
        kinds: Callable[[], Awaitable[Collection[str]]],
        max_bytes: int,
        max_seconds: float,
    ) -> None:
        """Keep what is needed.

        Args:
            input_dirs: folders of this machine below which clients may name files.
            kinds: of audio files that can be decoded now.
            max_bytes: of one file named by its path; uploads were counted while they were read.
            max_seconds: longest input, as far as its header tells.
        """
        self._database = database
        self._store = store
        self._spool_dir = spool_dir
        self._input_dirs = input_dirs
        self._kinds = kinds
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._known_installation: str | None = None
        self._settling: set[asyncio.Task[None]] = set()

    async def take(
        self, team_id: TeamId, params: Mapping[str, Any], files: Mapping[Role, ReceivedFile]
    ) -> Taken:
        """Check all inputs, then store the new ones; on any failure nothing of them stays in the store.

        Raises:
            ValidationError: a file that is no allowed audio, or a path that is not available.
            TooLargeError: a file named by its path is too large.
            StorageUnavailableError: the store does not answer.
        """
        wishes = {role: params[name] for role, name in PATH_PARAMETERS.items() if params.get(name)}
        if not files and not wishes:
            return Taken()
        async with open_spool(self._spool_dir) as spool:
            found: list[TaskInput | _Checked] = []
            for role in Role:
                if role in files:
                    found.append(await self._check(role, Origin.UPLOAD, files[role]))
                elif role in wishes:
                    found.append(await self._find(role, team_id, wishes[role], spool))
            return await self._put_all(team_id, found)

    async def discard(self, taken: Taken) -> None:
        """Remove what was stored for a task that was refused; what cannot be removed now is an orphan."""
        for row in taken.objects:
            try:
                await self._store.delete(row["storage_key"])
            except ServiceError as error:
                log.warning("upload left to the orphan sweep", extra={"reason": str(error)})

    def discard_unless(self, is_stored: Callable[[], Awaitable[bool]], taken: Taken) -> None:
        """Remove what was stored as soon as the database says that it has no such task; returns at once.

        What is not settled when the process ends, or in SETTLE_LIMIT_S, is an orphan.
        """
        if taken.objects:
            settling = asyncio.create_task(self._settle(is_stored, taken))
            self._settling.add(settling)
            settling.add_done_callback(self._settling.discard)

    async def _settle(self, is_stored: Callable[[], Awaitable[bool]], taken: Taken) -> None:
        try:
            if not await retrying(is_stored, limit_s=SETTLE_LIMIT_S):
                await self.discard(taken)
        except ServiceError as error:
            log.warning("upload left to the orphan sweep", extra={"reason": str(error)})

    async def _installation(self) -> str:
        if self._known_installation is None:
            async with self._database.autocommit() as work:
                self._known_installation = await work.objects.installation()
        return self._known_installation

    async def _find(self, role: Role, team_id: TeamId, path: str, spool: Spool) -> TaskInput | _Checked:
        named = parse_audio_path(path)
        if isinstance(named, str):
            return await self._own_audio(role, team_id, named)
        return await self._check(role, Origin.SERVER, await self._copy(named, spool))

    async def _own_audio(self, role: Role, team_id: TeamId, key: str) -> TaskInput:
        async def read() -> ObjectRow | None:
            async with self._database.autocommit() as work:
                return await work.objects.by_public_key(team_id, key)

        row = await retrying(read, limit_s=RETRY_LIMIT_S)
        if row is None:
            raise audio_not_available()
        if row.duration_s is not None and row.duration_s > self._max_seconds + PADDING_S:
            raise ValidationError(f"{role} audio: audio is longer than {self._max_seconds:g} seconds")
        return TaskInput(
            role=role,
            origin=Origin.OUTPUT if row.role == "output" else Origin.UPLOAD,
            path=row.public_key,
            storage_key=row.storage_key,
            sha256=row.sha256,
            bytes=row.bytes,
            duration=row.duration_s,
        )

    async def _copy(self, path: PurePosixPath, spool: Spool) -> ReceivedFile:
        file = await asyncio.to_thread(open_below, self._input_dirs, path)
        if file is None:
            raise audio_not_available()
        with file:
            return await spool_copy(spool, file, max_bytes=self._max_bytes)

    async def _check(self, role: Role, origin: Origin, file: ReceivedFile) -> _Checked:
        kinds = await self._kinds()

        def read_header() -> Claim:
            with file.path.open("rb") as opened:
                return probe(opened, max_seconds=self._max_seconds, kinds=kinds)

        try:
            claim = await asyncio.to_thread(read_header)
        except ValidationError as error:
            raise ValidationError(f"{role} audio: {error}") from None
        return _Checked(role=role, origin=origin, file=file, claim=claim)

    async def _put_all(self, team_id: TeamId, found: Sequence[TaskInput | _Checked]) -> Taken:
        inputs: list[TaskInput] = []
        objects: list[Mapping[str, Any]] = []
        try:
            for item in found:
                if isinstance(item, _Checked):
                    row = _object_row(await self._installation(), team_id, item)
                    objects.append(row)
                    await self._store.put_file(
                        row["storage_key"], item.file.path, sha256=row["sha256"], mime=row["mime"]
                    )
                    inputs.append(_task_input(item, row))
                else:
                    inputs.append(item)
        except BaseException:
            with suppress(Exception):
                await self.discard(Taken(objects=objects))
            raise
        return Taken(inputs=inputs, objects=objects)


def _object_row(installation: str, team_id: TeamId, checked: _Checked) -> dict[str, Any]:
    kind = checked.claim.kind
    return {
        "public_key": f"audio/{secrets.token_hex(16)}.{kind}",
        "storage_key": f"i/{installation}/{team_id}/{uuid4().hex}.{kind}",
        "ext": kind,
        "mime": MIME_TYPES[kind],
        "bytes": checked.file.size_bytes,
        "sha256": checked.file.sha256,
        "duration_s": checked.claim.duration_s,
        "sample_rate": checked.claim.rate_hz,
    }


def _task_input(checked: _Checked, row: Mapping[str, Any]) -> TaskInput:
    return TaskInput(
        role=checked.role,
        origin=checked.origin,
        path=row["public_key"],
        storage_key=row["storage_key"],
        sha256=row["sha256"],
        bytes=row["bytes"],
        duration=row["duration_s"],
    )
