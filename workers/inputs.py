"""Fetch a task's audio inputs and have each one decoded, before the child needs them."""

import asyncio
import hashlib
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import MsgspecError

from app.domain.errors import NotFoundError, ValidationError
from app.domain.ports import ObjectStore
from app.domain.probe import UnsupportedKind, probe
from app.domain.probe.claim import Claim
from inference.audio import answer
from inference.audio.kinds import decodable_kinds
from inference.request import InputAudio
from workers.child_process import child_environment
from workers.failure import TaskFailed
from workers.hold import while_store_is_away

log = logging.getLogger(__name__)

DECODE_WALL_S = 30.0
ANSWER_BYTES = 4096


class Inputs:
    """Brings inputs from the store into an attempt's scratch folder, normalised."""

    def __init__(self, store: ObjectStore, *, max_seconds: float, wall_s: float = DECODE_WALL_S) -> None:
        """Keep the limits.

        Args:
            max_seconds: of decoded audio.
            wall_s: for the decoding of one file.
        """
        self._store = store
        self._max_seconds = max_seconds
        self._wall_s = wall_s

    async def prepare(self, entries: Sequence[Mapping[str, Any]], scratch: Path) -> dict[str, InputAudio]:
        """Return the normalised files by their role, `source` or `reference`.

        Raises:
            TaskFailed: an object is gone or not what was stored, or it cannot be decoded.
        """
        return {entry["role"]: await self._prepare(entry, scratch) for entry in entries}

    async def _prepare(self, entry: Mapping[str, Any], scratch: Path) -> InputAudio:
        # No endings: the content decides, and the file name must not have a say.
        original, target = scratch / f"{entry['role']}-original", scratch / f"{entry['role']}-normalised"
        try:
            await while_store_is_away(lambda: self._fetch(entry, original), key=entry["storage_key"])
            claim = await self._probe(entry, original)
            refusal = await self._decode(original, target, claim)
        finally:
            await asyncio.to_thread(original.unlink, missing_ok=True)
        if refusal is not None:
            raise _unavailable(entry, refusal.text(self._max_seconds))
        return InputAudio(path=str(target), sha256=entry["sha256"])

    async def _fetch(self, entry: Mapping[str, Any], path: Path) -> None:
        digest = hashlib.sha256()
        with await asyncio.to_thread(path.open, "wb") as file:
            try:
                async for chunk in self._store.open_range(entry["storage_key"], 0, entry["bytes"]):
                    digest.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
            except NotFoundError:
                raise _unavailable(entry, "is no longer stored") from None
        if digest.hexdigest() != entry["sha256"]:
            log.error("stored input is damaged", extra={"key": entry["storage_key"]})
            raise _unavailable(entry, "is damaged in the store")

    async def _probe(self, entry: Mapping[str, Any], original: Path) -> Claim:
        """Look where the audio lies; the API did the same, perhaps with other limits."""

        def read_header() -> Claim:
            with original.open("rb") as file:
                return probe(file, max_seconds=self._max_seconds, kinds=decodable_kinds())

        try:
            return await asyncio.to_thread(read_header)
        except ValidationError as error:
            # Another worker may have the decoder that this one lacks.
            retryable = isinstance(error, UnsupportedKind)
            raise _unavailable(entry, f"cannot be used: {error}", retryable=retryable) from None

    async def _decode(self, original: Path, target: Path, claim: Claim) -> answer.Refusal | None:
        """Run the decode process; its death by a signal or a limit means that the file is broken."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the working folder is not a place to import from
            "-m",
            "inference.audio.decode",
            str(original),
            str(target),
            f"--kind={claim.kind}",
            f"--start={claim.start}",
            *([] if claim.end is None else [f"--end={claim.end}"]),
            f"--max-seconds={self._max_seconds}",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=child_environment(os.environ, {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}),
            start_new_session=True,
            limit=ANSWER_BYTES,
        )
        assert process.stdout is not None
        said = b""
        try:
            async with asyncio.timeout(self._wall_s):
                said = await process.stdout.readline()
                await process.wait()
        except (TimeoutError, ValueError):  # ValueError: more than an answer
            log.warning("decode process was stopped", extra={"pid": process.pid})
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        return _refusal(said, process.returncode)


def _refusal(said: bytes, status: int | None) -> answer.Refusal | None:
    try:
        told = answer.read(said)
    except MsgspecError:
        log.warning("decode process died", extra={"status": status})
        return answer.Refusal.BROKEN
    match told:
        case answer.Refused():
            return told.reason
        case answer.Decoded():
            return None if status == 0 else answer.Refusal.BROKEN


def _unavailable(entry: Mapping[str, Any], reason: str, *, retryable: bool = False) -> TaskFailed:
    return TaskFailed("input_unavailable", f"the {entry['role']} audio {reason}", retryable=retryable)
