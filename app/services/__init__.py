"""Use cases, one a file. This module names what the HTTP edge needs of them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.domain.idempotency import Idempotency
from app.domain.inputs import ReceivedFile, Role
from app.domain.offers import Offers
from app.domain.record import Record
from app.domain.task import Accepted, Caller, Submission, TaskId, TaskView, TeamId
from app.domain.teams import TeamLimits
from app.domain.usage import UsageQuery, UsageRow
from app.services.keys import Keys
from app.services.operations import Operations
from app.services.teams import Teams


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAudio:
    """A stored clip that a team may download; `sha256` is hex."""

    public_key: str
    storage_key: str
    mime: str
    size_bytes: int
    sha256: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsView:
    """Counts of tasks and the state of the queue.

    Attributes:
        failed: without the cancelled ones; the wire adds them.
        queue_size: waiting tasks of the whole service.
        queue_maxsize: None = unlimited.
        avg_job_seconds: mean run time of the latest tasks.
    """

    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    queue_size: int
    queue_maxsize: int | None
    avg_job_seconds: float
    workers_online: int
    workers_busy: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedModel:
    """A diffusion model as `/v1/models` shows it; `is_loaded` = a live worker holds it."""

    name: str
    is_default: bool
    is_loaded: bool
    supported_task_types: Sequence[str]
    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthView:
    """What is loaded somewhere; having it at all means that the database answers."""

    models_initialized: bool
    llm_initialized: bool
    loaded_model: str | None
    loaded_lm_model: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelView:
    """Where a task stands after somebody asked to stop it."""

    id: str
    state: str
    cancel_requested: bool


class Submit(Protocol):
    """Stores a task and answers after the commit."""

    async def __call__(
        self,
        caller: Caller,
        submission: Submission,
        *,
        request_id: str,
        client: Mapping[str, str] | None,
        files: Mapping[Role, ReceivedFile],
        idempotency: Idempotency | None = None,
    ) -> Accepted:
        """Insert the task with its inputs.

        Raises:
            ValidationError: an input or a model that cannot be used.
            ForbiddenError: the team is disabled.
            QueueFullError, QuotaExceededError: no room; nothing was stored.
            ConflictError: the idempotency key was used for another request.
        """


class AudioReader(Protocol):
    """Finds and streams stored clips."""

    async def find(self, team_id: TeamId | None, public_key: str) -> StoredAudio:
        """Return the clip of a team, or of any team for None.

        Raises:
            NotFoundError: unknown, foreign, expired or deleted.
        """

    def open(self, audio: StoredAudio, start: int, end: int) -> AsyncIterator[bytes]:
        """Stream bytes `start` to `end`, end exclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that the routes call.

    Attributes:
        earlier: the answer to an earlier request with this key; raises ConflictError for another request.
        query: tasks of one team by id; unknown and foreign ids are absent.
        record: audit record of a team's task, or of any for None; raises NotFoundError.
        cancel: of a team's task, or of any for None; raises NotFoundError and ConflictError.
        usage: sums by group; raises ValidationError for too many groups.
        stats: of one team, or of all for None.
        offers: what can be asked for now; cheap.
        limits: what a team may use; cheap.
        health: raises DatabaseUnavailableError.
        caller_by_key: who a key digest belongs to, None for unknown, expired and revoked ones.
        has_keys: whether a key was ever created; cheap.
    """

    submit: Submit
    earlier: Callable[[TeamId, Idempotency], Awaitable[Accepted | None]]
    query: Callable[[TeamId, Sequence[TaskId]], Awaitable[Mapping[TaskId, TaskView]]]
    record: Callable[[TeamId | None, TaskId], Awaitable[Record]]
    cancel: Callable[[Caller, TeamId | None, TaskId], Awaitable[CancelView]]
    audio: AudioReader
    stats: Callable[[TeamId | None], Awaitable[StatsView]]
    offers: Callable[[], Awaitable[Offers]]
    limits: Callable[[TeamId], Awaitable[TeamLimits]]
    models: Callable[[], Awaitable[Sequence[OfferedModel]]]
    health: Callable[[], Awaitable[HealthView]]
    caller_by_key: Callable[[bytes], Awaitable[Caller | None]]
    has_keys: Callable[[], Awaitable[bool]]
    usage: Callable[[UsageQuery], Awaitable[Sequence[UsageRow]]]
    teams: Teams
    keys: Keys
    operations: Operations
