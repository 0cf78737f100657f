"""The task: its states, its wire codes, and the read-only views that the routes show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType, assert_never
from uuid import UUID

from app.domain.inputs import TaskInput

TaskId = NewType("TaskId", UUID)
TeamId = NewType("TeamId", int)


_UUID_CHARS = 36


def parse_id(text: str) -> UUID | None:
    """Read an id in its usual spelling; None for any other text, which is then simply unknown."""
    if len(text) != _UUID_CHARS:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


def parse_task_id(text: str) -> TaskId | None:
    """Read the id of a task; None for a text that is no id."""
    parsed = parse_id(text)
    return None if parsed is None else TaskId(parsed)


class TaskStatus(StrEnum):
    """The five states of a task; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the task has ended; a final state never changes."""
        return self not in (TaskStatus.QUEUED, TaskStatus.RUNNING)

    @property
    def wire_code(self) -> int:
        """The integer of `/query_result`: 0 waiting or running, 1 succeeded, 2 failed or cancelled."""
        match self:
            case TaskStatus.QUEUED | TaskStatus.RUNNING:
                return 0
            case TaskStatus.SUCCEEDED:
                return 1
            case TaskStatus.FAILED | TaskStatus.CANCELLED:
                return 2
            case _:
                assert_never(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: the team of the key, and what the key may do.

    `key_prefix` is the visible part of a stored key; the bootstrap key and open mode have none.
    """

    team_id: TeamId
    key_id: int | None
    scopes: frozenset[str]
    key_prefix: str | None = None
    is_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """One value that was not used as given, and why (`http-api` rule: lenient in numbers, recorded)."""

    field: str
    given: Any
    used: Any
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The task that a new one is made from, and what it takes over.

    Attributes:
        relation: `retry` or `rerun`.
        inputs: stored audio; its paths are not among the parameters of the submission.
        seeds, lm_seed: None = drawn anew.
    """

    task_id: TaskId
    relation: str
    inputs: Sequence[TaskInput]
    seeds: Sequence[int] | None
    lm_seed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A parsed `/release_task`: what was received and what will run.

    `params` holds every canonical parameter with its effective value; seeds are drawn later, at submission.
    `requested_model` is the name that the client sent, None if it sent none.
    """

    request: Mapping[str, Any]
    content_type: str
    params: Mapping[str, Any]
    requested_model: str | None = None
    adjustments: Sequence[Adjustment] = ()
    priority: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    webhook_url: str | None = None
    origin: Origin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The answer to a submission; `is_replayed`: an earlier request with this Idempotency-Key got it."""

    task_id: TaskId
    queue_position: int
    is_replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipView:
    """One stored audio output of a task."""

    index: int
    public_key: str
    ext: str
    mime: str
    size_bytes: int
    sha256: str
    duration_s: float
    sample_rate_hz: int
    seed: int
    available: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """What `/query_result` needs of one task, in any state.

    Attributes:
        params: effective parameters, with `seeds` (one per item) and `lm_seed` drawn at submission.
        adjustments: `Adjustment` fields as plain mappings.
        result: what the worker stored at finish (`items`, `dit_model`, `lm_model`, `seconds`, `audit`).
        queue_position: 1-based place while queued, else None.
        clips: outputs in batch order, only of a succeeded task.
    """

    id: TaskId
    status: TaskStatus
    attempt: int
    created_at: datetime
    progress: float
    stage: str | None
    progress_text: str | None
    queue_position: int | None
    params: Mapping[str, Any]
    adjustments: Sequence[Mapping[str, Any]]
    model: str
    result: Mapping[str, Any] | None
    error_code: str | None
    error_message: str | None
    clips: Sequence[ClipView]
