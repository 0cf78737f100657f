"""Protocols at the true edges of the service: the doorbell and the object store."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol
from uuid import UUID

from app.domain.task import TaskId


class Ping(NamedTuple):
    """Names a waiting task; a later wait of the same task is another ping."""

    task_id: TaskId
    attempt: int


class Doorbell(Protocol):
    """Wakes workers after a commit. A lost ring costs at most the idle poll of a slot."""

    def ring(self, pings: Sequence[Ping]) -> None:
        """Send a wake-up soon, coalesced with others; never raises and never waits."""

    def nudge(self, worker_id: UUID) -> None:
        """Tell a worker soon to look at its rows; never raises and never waits."""

    def changed(self) -> None:
        """Tell those who follow tasks to look soon; never raises and never waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """What a store knows of one object.

    `sha256` is hex; None where the store did not keep it (an object put by somebody else).
    """

    key: str
    size_bytes: int
    sha256: str | None
    modified_at: datetime


class ObjectStore(Protocol):
    """Write-once audio objects under keys of the form `[a-z0-9/_.-]`, no part of which begins with a dot.

    Every method raises StorageUnavailableError when the store does not answer, and ValidationError for a key
    of another form.
    """

    async def put_file(self, key: str, path: Path, *, sha256: str, mime: str) -> None:
        """Store the file durably under `key`; a reader sees the whole object or none.

        The same content again is fine, so that a put can be retried.

        Raises:
            ConflictError: the file does not have this sha256, or the object exists with other content.
            FileNotFoundError: there is no such file.
        """

    def open_range(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Stream bytes `start` to `end`, end exclusive, in chunks of at most 256 KiB.

        It ends early where the object does.

        Raises:
            NotFoundError: no such object.
        """

    async def stat(self, key: str) -> StoredObject | None:
        """Describe the object, or None if there is none."""

    async def delete(self, key: str) -> None:
        """Remove the object; a missing one is not an error."""

    def list(self, prefix: str, after: str = "") -> AsyncIterator[StoredObject]:
        """Walk objects whose key begins with `prefix` and sorts after `after`, in key order."""

    async def health(self) -> None:
        """Return if the store can be written to."""
