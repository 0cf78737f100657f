"""Files of one request on their way in: hashed while they are written, and gone with the request."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from app.domain.errors import StorageUnavailableError, TooLargeError
from app.domain.inputs import ReceivedFile

WRITE_BYTES = 1024 * 1024


class Spool:
    """The folder of one request, made when the first file is written to."""

    def __init__(self, parent: Path) -> None:
        self._folder = parent / uuid4().hex
        self._is_made = False

    def file(self, *, max_bytes: int) -> "SpooledFile":
        """Begin a file."""
        return SpooledFile(self, self._folder / uuid4().hex, max_bytes=max_bytes)

    async def make(self) -> None:
        """Make the folder, once."""
        if not self._is_made:
            self._is_made = True
            await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True)

    async def remove(self) -> None:
        """Remove the folder with all that is in it."""
        if self._is_made:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)


class SpooledFile:
    """One file that is being received. At most `WRITE_BYTES` of it are held in memory, unless told so."""

    def __init__(self, spool: Spool, path: Path, *, max_bytes: int) -> None:
        self.size_bytes = 0
        self._spool = spool
        self._path = path
        self._max_bytes = max_bytes
        self._held = bytearray()
        self._digest = hashlib.sha256()

    async def write(self, chunk: bytes, *, to_disk: bool = True) -> None:
        """Take more of the file.

        Args:
            to_disk: False keeps it in memory: nothing is stored for a caller who is not known yet.

        Raises:
            TooLargeError: more than the file may have.
            StorageUnavailableError: the scratch folder cannot be written to.
        """
        self.size_bytes += len(chunk)
        if self.size_bytes > self._max_bytes:
            raise TooLargeError(f"a file is larger than {self._max_bytes} bytes")
        self._held += chunk
        if to_disk and len(self._held) >= WRITE_BYTES:
            await self._flush()

    async def finish(self) -> ReceivedFile:
        """Write what is left."""
        await self._flush()
        return ReceivedFile(path=self._path, size_bytes=self.size_bytes, sha256=self._digest.hexdigest())

    async def _flush(self) -> None:
        block, self._held = self._held, bytearray()
        try:
            await self._spool.make()
            await asyncio.to_thread(self._append, block)
        except OSError as error:
            raise StorageUnavailableError(f"the scratch folder failed: {error.strerror}") from error

    def _append(self, block: bytearray) -> None:
        self._digest.update(block)
        with self._path.open("ab") as file:
            file.write(block)


@asynccontextmanager
async def open_spool(parent: Path) -> AsyncIterator[Spool]:
    """A spool that is removed at the end of the block, whatever happens in it."""
    spool = Spool(parent)
    try:
        yield spool
    finally:
        await spool.remove()


async def spool_copy(spool: Spool, source: BinaryIO, *, max_bytes: int) -> ReceivedFile:
    """Copy an open file into the spool.

    Raises:
        TooLargeError: more than `max_bytes`.
    """
    copy = spool.file(max_bytes=max_bytes)
    while chunk := await asyncio.to_thread(source.read, WRITE_BYTES):
        await copy.write(chunk)
    return await copy.finish()
