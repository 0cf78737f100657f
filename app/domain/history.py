"""What is stored of one task: its row, its parameters, its events and its outputs, as they were read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domain.task import ClipView, TaskId, TaskStatus, TeamId


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """One line of a task's history.

    Attributes:
        actor_id: key, worker or process, by `actor_kind`.
        key_prefix: visible part of the key, where a key acted.
        data: may hold a private traceback under `trace`.
    """

    at: datetime
    event: str
    attempt: int
    actor_kind: str
    actor_id: str | None
    key_prefix: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTask:
    """One task, read from one state of the database.

    Attributes:
        team_id: internal number; `public_team_id` is the one of the wire, as `public_key_id` is of the key.
        read_at: time of the database when it was read.
        expires_at: when the first of its outputs will be removed.
        queue_position: 1-based place while queued.
    """

    id: TaskId
    team_id: TeamId
    public_team_id: UUID
    public_key_id: UUID | None
    key_prefix: str | None
    status: TaskStatus
    task_type: str | None
    priority: int
    request_id: str
    idempotency_key: str | None
    parent_id: UUID | None
    parent_relation: str | None
    legal_hold: bool
    created_at: datetime
    first_started_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    deleted_at: datetime | None
    read_at: datetime
    progress: float
    stage: str | None
    progress_text: str | None
    requested_model: str | None
    model: str
    result: Mapping[str, Any]
    error_code: str | None
    error_message: str | None
    request: Mapping[str, Any]
    content_type: str | None
    params: Mapping[str, Any]
    adjustments: Sequence[Mapping[str, Any]]
    inputs: Sequence[Mapping[str, Any]]
    labels: Mapping[str, str]
    client: Mapping[str, str] | None
    webhook_url: str | None
    expires_at: datetime | None
    queue_position: int | None
    events: Sequence[StoredEvent]
    clips: Sequence[ClipView]
