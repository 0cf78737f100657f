"""Use cases, one a file. This module names what the HTTP edge needs of them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from app.domain.changes import Changes
from app.domain.endpoints import (
    Deleted,
    Delivery,
    DeliveryPage,
    DeliveryState,
    Endpoint,
    EndpointList,
    TeamSecret,
)
from app.domain.filters import Filters
from app.domain.format_input import FormattedInput, FormatWish
from app.domain.idempotency import Idempotency
from app.domain.inputs import ReceivedFile, Role
from app.domain.listed import TaskPage
from app.domain.numbers import Numbers
from app.domain.offers import Offers
from app.domain.record import Record
from app.domain.rerun import Wish
from app.domain.stream import Told
from app.domain.task import Accepted, Caller, Submission, TaskId, TaskView, TeamId
from app.domain.usage import UsageQuery, UsageRow
from app.domain.webhook import EndpointChange
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
class OfferedLanguageModel:
    """A language model that can be asked for; `is_loaded` = a live worker holds it."""

    name: str
    is_default: bool
    is_loaded: bool


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedView:
    """What the owner still sees of an erased task."""

    id: str
    state: str


class Relation(StrEnum):
    """How a new task came from an old one."""

    RETRY = "retry"
    RERUN = "rerun"


class ExportForm(StrEnum):
    """How an export is written."""

    NDJSON = "ndjson"
    NDJSON_WITH_EVENTS = "ndjson with events"
    CSV = "csv"


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


class FormatInput(Protocol):
    """Has a language model rewrite a text, and waits for it."""

    async def __call__(
        self,
        caller: Caller,
        wish: FormatWish,
        *,
        request: Mapping[str, Any],
        content_type: str,
        request_id: str,
    ) -> FormattedInput:
        """Return the rewritten text.

        Raises:
            LanguageModelUnavailableError: no live worker offers a language model.
            QueueFullError: too many wait.
            LanguageModelFailedError: the model failed, or the wait ended.
        """


class RepeatTask(Protocol):
    """Makes a new task from an old one of a team, or of any for None."""

    async def __call__(
        self,
        caller: Caller,
        team_id: TeamId | None,
        task_id: TaskId,
        relation: Relation,
        wish: Wish,
        *,
        request: Mapping[str, Any],
        request_id: str,
        client: Mapping[str, str] | None,
        idempotency: Idempotency | None = None,
    ) -> Accepted:
        """Submit it.

        Raises:
            NotFoundError, ConflictError, ValidationError: what it is made from is not there, or not so.
            QueueFullError, QuotaExceededError: no room; nothing was stored.
        """


class ListTasks(Protocol):
    """Pages of a team's history, or of all teams for None."""

    async def __call__(
        self, team_id: TeamId | None, filters: Filters, *, newest_first: bool, limit: int, cursor: str | None
    ) -> TaskPage:
        """Return the page after the cursor.

        Raises:
            ValidationError: the cursor is not of this list.
        """


class AudioReader(Protocol):
    """Finds and streams stored clips."""

    async def find(self, team_id: TeamId | None, public_key: str) -> StoredAudio:
        """Return the clip of a team, or of any team for None.

        Raises:
            NotFoundError: unknown, foreign, expired or deleted.
        """

    async def is_there(self, audio: StoredAudio) -> bool:
        """Whether the store has the clip."""

    def open(self, audio: StoredAudio, start: int, end: int) -> AsyncIterator[bytes]:
        """Stream bytes `start` to `end`, end exclusive."""


class Streams(Protocol):
    """Follows tasks; None among what is told says that nothing happened for a while."""

    def end(self) -> None:
        """Close all streams: the process stops."""

    def task(
        self, caller: Caller, team_id: TeamId | None, task_id: TaskId, *, after: int | None
    ) -> AsyncIterator[Told | None]:
        """Follow a task of a team, or of any for None; raises NotFoundError and TooManyStreamsError."""

    def team(
        self, caller: Caller, team_id: TeamId | None, *, after: int | None
    ) -> AsyncIterator[Told | None]:
        """Follow a team, or all for None; raises TooManyStreamsError."""


class Webhooks(Protocol):
    """Manages the webhooks of a team, `me` or a public id; foreign is unknown, but to an admin.

    Every method raises NotFoundError for an unknown team, endpoint or delivery.
    """

    async def endpoints(self, caller: Caller, team: str) -> EndpointList:
        """List the endpoints."""

    async def add(self, caller: Caller, team: str, change: EndpointChange) -> Endpoint:
        """Make an endpoint."""

    async def change(
        self, caller: Caller, team: str, endpoint_id: UUID | None, change: EndpointChange
    ) -> Endpoint:
        """Change an endpoint."""

    async def delete(self, caller: Caller, team: str, endpoint_id: UUID | None) -> Deleted:
        """Delete an endpoint."""

    async def deliveries(
        self, caller: Caller, team: str, endpoint_id: UUID | None, *, cursor: UUID | None, limit: int
    ) -> DeliveryPage:
        """List deliveries of an endpoint."""

    async def all_deliveries(
        self,
        caller: Caller,
        team: str,
        *,
        state: DeliveryState | None,
        task_id: TaskId | None,
        cursor: UUID | None,
        limit: int,
    ) -> DeliveryPage:
        """List deliveries of the team, of endpoints and of single tasks."""

    async def redeliver(self, caller: Caller, team: str, delivery_id: UUID | None) -> Delivery:
        """Make a delivery due now."""

    async def rotate_team_secret(self, caller: Caller, team: str, *, overlap: timedelta) -> TeamSecret:
        """Replace the secret of the webhooks of single tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that the routes call.

    Attributes:
        earlier: the answer to an earlier request with this key; raises ConflictError for another request.
        query: tasks of one team by id; unknown and foreign ids are absent.
        record: audit record of a team's task, or of any for None; raises NotFoundError.
        cancel: of a team's task, or of any for None; raises NotFoundError and ConflictError.
        usage: sums by group; raises ValidationError for too many groups.
        edit, erase: of a team's task, or of any for None; raise NotFoundError and ConflictError.
        export: a whole list, in portions; the first comes after every check.
        stats: of one team, or of all for None.
        offers: what a team can ask for now; cheap.
        health: raises DatabaseUnavailableError.
        caller_by_key: who a key digest belongs to, None for unknown, expired and revoked ones.
        has_keys: whether a key was ever created; cheap.
        metrics: numbers of the whole service; raises DatabaseUnavailableError.
    """

    submit: Submit
    earlier: Callable[[Idempotency], Awaitable[Accepted | None]]
    format_input: FormatInput
    query: Callable[[TeamId, Sequence[TaskId]], Awaitable[Mapping[TaskId, TaskView]]]
    record: Callable[[TeamId | None, TaskId], Awaitable[Record]]
    cancel: Callable[[Caller, TeamId | None, TaskId], Awaitable[CancelView]]
    edit: Callable[[Caller, TeamId | None, TaskId, Changes], Awaitable[None]]
    erase: Callable[[Caller, TeamId | None, TaskId], Awaitable[ErasedView]]
    repeat: RepeatTask
    list_tasks: ListTasks
    export: Callable[[Caller, TeamId | None, Filters, ExportForm], AsyncIterator[bytes]]
    audio: AudioReader
    stats: Callable[[TeamId | None], Awaitable[StatsView]]
    offers: Callable[[TeamId], Awaitable[Offers]]
    models: Callable[[], Awaitable[Sequence[OfferedModel]]]
    language_models: Callable[[], Awaitable[Sequence[OfferedLanguageModel]]]
    health: Callable[[], Awaitable[HealthView]]
    caller_by_key: Callable[[bytes], Awaitable[Caller | None]]
    has_keys: Callable[[], Awaitable[bool]]
    usage: Callable[[UsageQuery], Awaitable[Sequence[UsageRow]]]
    teams: Teams
    keys: Keys
    operations: Operations
    metrics: Callable[[], Awaitable[Numbers]]
    streams: Streams
    webhooks: Webhooks
