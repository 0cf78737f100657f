"""Object store in a local folder: whole objects or none, written once, durable when `put_file` returns.

Everything is opened relative to the root, part by part and without following links, in threads.
"""

import asyncio
import errno
import hashlib
import os
import secrets
import stat
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from io import FileIO
from itertools import islice
from pathlib import Path

from app.domain.errors import ConflictError, NotFoundError, ServiceError, StorageUnavailableError
from app.domain.ports import StoredObject
from app.storage.keys import check_key

READ_BYTES = 256 * 1024
COPY_BYTES = 1024 * 1024
LIST_BATCH = 500
DRAFTS = ".drafts"
DRAFT_LIFE_S = 3600  # older ones are of processes that died while writing
# A folder may vanish between its making and the link into it: `delete` removes empty ones.
LINK_TRIES = 50
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class FolderStore:
    """Keeps each object as one file below `root`, named by its key."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        with _failures():
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for draft in (self._root / DRAFTS).glob("*"):
                with suppress(FileNotFoundError):  # published just now
                    if time.time() - draft.lstat().st_mtime > DRAFT_LIFE_S:
                        draft.unlink()

    async def put_file(self, key: str, path: Path, *, sha256: str, mime: str) -> None:
        """Copy the file, checking its hash, and publish it under `key` in one step."""
        await asyncio.to_thread(self._put, check_key(key), path, sha256)

    async def open_range(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Stream bytes `start` to `end`, end exclusive; it ends early where the object does."""
        with await asyncio.to_thread(self._open, check_key(key)) as file:
            while start < end:
                chunk = await asyncio.to_thread(_read, file, min(READ_BYTES, end - start), start)
                if not chunk:
                    break
                start += len(chunk)
                yield chunk

    async def stat(self, key: str) -> StoredObject | None:
        """Describe the object, or None; the hash was checked when it was put and is not kept."""
        return await asyncio.to_thread(self._stat, check_key(key))

    async def delete(self, key: str) -> None:
        """Remove the object, and the folders that are empty then."""
        await asyncio.to_thread(self._delete, check_key(key))

    async def list(self, prefix: str, after: str = "") -> AsyncIterator[StoredObject]:
        """Walk objects in key order; one that is put or deleted meanwhile may or may not appear."""
        walk = self._walk(prefix, after)
        while batch := await asyncio.to_thread(lambda: [*islice(walk, LIST_BATCH)]):
            for found in batch:
                yield found

    async def health(self) -> None:
        """Write and remove a small file."""
        await asyncio.to_thread(self._probe)

    def _put(self, key: str, path: Path, sha256: str) -> None:
        with path.open("rb") as source, _failures(StorageUnavailableError), ExitStack() as opened:
            drafts = opened.enter_context(self._folder([DRAFTS], make=True))
            draft = secrets.token_hex(16)
            target = os.open(
                draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=drafts
            )
            opened.callback(os.unlink, draft, dir_fd=drafts)
            with os.fdopen(target, "wb") as file:
                digest = hashlib.sha256()
                while chunk := source.read(COPY_BYTES):
                    digest.update(chunk)
                    file.write(chunk)
                if digest.hexdigest() != sha256:
                    raise ConflictError("the file does not have the given sha256")
                file.flush()
                os.fsync(file.fileno())
            self._publish(drafts, draft, key, sha256)

    def _publish(self, drafts: int, draft: str, key: str, sha256: str) -> None:
        """Give the finished draft its name; a link, unlike a rename, never replaces an object."""
        *parts, name = key.split("/")
        for _ in range(LINK_TRIES):
            with suppress(FileNotFoundError), self._folder(parts, make=True) as folder:
                try:
                    os.link(draft, name, src_dir_fd=drafts, dst_dir_fd=folder, follow_symlinks=False)
                except FileExistsError:
                    if not self._holds(key, sha256):
                        raise ConflictError("the object exists with other content") from None
                os.fsync(folder)
                return
        raise StorageUnavailableError("the folders of the object store vanish while they are used")

    def _open(self, key: str) -> FileIO:
        *parts, name = key.split("/")
        with _failures(), self._folder(parts) as folder:
            # O_NONBLOCK: not to wait on a pipe that somebody put there.
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                os.close(handle)
                raise NotFoundError
            return FileIO(handle)

    def _holds(self, key: str, sha256: str) -> bool:
        try:
            with self._open(key) as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256
        except NotFoundError:
            return False

    def _stat(self, key: str) -> StoredObject | None:
        try:
            with self._open(key) as file:
                return _describe(key, os.fstat(file.fileno()))
        except NotFoundError:
            return None

    def _delete(self, key: str) -> None:
        parts = key.split("/")
        with suppress(NotFoundError), _failures():
            with self._folder(parts[:-1]) as folder:
                os.unlink(parts[-1], dir_fd=folder)
                os.fsync(folder)
            for depth in range(len(parts) - 1, 0, -1):
                with self._folder(parts[: depth - 1]) as folder:
                    try:
                        os.rmdir(parts[depth - 1], dir_fd=folder)
                    except OSError:
                        return  # not empty

    def _probe(self) -> None:
        with _failures(StorageUnavailableError), self._folder([DRAFTS], make=True) as drafts:
            name = secrets.token_hex(16)
            file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=drafts)
            try:
                os.write(file, b"probe")
                os.fsync(file)
            finally:
                os.close(file)
                os.unlink(name, dir_fd=drafts)

    @contextmanager
    def _folder(self, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
        """Open a folder below the root, making what is missing (durably) if asked."""
        try:
            handle = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise StorageUnavailableError("the folder of the object store cannot be opened") from error
        try:
            for part in parts:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o700, dir_fd=handle)
                        os.fsync(handle)
                inner = os.open(part, _FOLDER, dir_fd=handle)
                os.close(handle)
                handle = inner
            yield handle
        finally:
            os.close(handle)

    def _walk(self, prefix: str, after: str, at: str = "") -> Iterator[StoredObject]:
        """Walk the folder `at` (empty, or ending in a slash) in the order of whole keys."""
        for name in self._names(at):
            key = at + name
            if not (key.startswith(prefix) or (name.endswith("/") and prefix.startswith(key))):
                continue
            if name.endswith("/"):
                if key > after or after.startswith(key):
                    yield from self._walk(prefix, after, key)
            elif key > after and (found := self._stat(key)) is not None:
                yield found

    def _names(self, at: str) -> Sequence[str]:
        """List keys' next parts; folders end in a slash, which sorts them as their keys sort."""
        names = []
        parts = at.split("/")[:-1]
        with (
            suppress(NotFoundError),
            _failures(),
            self._folder(parts) as folder,
            os.scandir(folder) as entries,
        ):
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    names.append(entry.name + "/")
                elif entry.is_file(follow_symlinks=False):
                    names.append(entry.name)
        return sorted(name for name in names if not name.startswith("."))


@contextmanager
def _failures(not_there: type[ServiceError] = NotFoundError) -> Iterator[None]:
    """Turn what the file system says into errors of the service, which name no path."""
    try:
        yield
    except OSError as error:
        if error.errno in _NOT_THERE:
            raise not_there from error
        raise StorageUnavailableError(f"the object store failed: {error.strerror}") from error


def _read(file: FileIO, size: int, offset: int) -> bytes:
    with _failures():
        return os.pread(file.fileno(), size, offset)


def _describe(key: str, status: os.stat_result) -> StoredObject:
    return StoredObject(
        key=key,
        size_bytes=status.st_size,
        sha256=None,
        modified_at=datetime.fromtimestamp(status.st_mtime, UTC),
    )
