"""One line of a list of tasks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.domain.history import StoredTask
from app.domain.result import audio_url
from app.domain.task import ClipView, TaskStatus
from app.domain.wire_json import rfc3339

PROMPT_CHARS = 200


class ListedOutput(msgspec.Struct, frozen=True, kw_only=True):
    """One clip; `available` is false once its audio has been removed."""

    index: int
    file: str
    available: bool


class ListedTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task in brief; `prompt` is cut, `duration` is that of the first clip or else the one asked for."""

    id: str
    state: str
    status: int
    created_at: str
    started_at: str | None
    finished_at: str | None
    task_type: str | None
    dit_model: str
    prompt: str
    duration: float | None
    batch_size: int | None
    seeds: list[int]
    key_prefix: str | None
    team_id: str
    priority: int
    labels: dict[str, str]
    error_code: str | None
    outputs: list[ListedOutput]


class TaskPage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a list; `next_cursor` goes on after it, null at the end."""

    items: list[ListedTask]
    next_cursor: str | None
    has_more: bool


def listed(
    *,
    id: UUID,
    status: str,
    created_at: datetime,
    started_at: datetime | None,
    finished_at: datetime | None,
    task_type: str | None,
    model: str,
    prompt: str | None,
    audio_duration: float | None,
    batch_size: int | None,
    seeds: Sequence[int] | None,
    key_prefix: str | None,
    public_team_id: UUID,
    priority: int,
    labels: Mapping[str, str] | None,
    error_code: str | None,
    clips: Sequence[ClipView],
) -> ListedTask:
    """Write a line from what was read of a task; what was erased is empty."""
    return ListedTask(
        id=str(id),
        state=status,
        status=TaskStatus(status).wire_code,
        created_at=rfc3339(created_at),
        started_at=rfc3339(started_at) if started_at else None,
        finished_at=rfc3339(finished_at) if finished_at else None,
        task_type=task_type,
        dit_model=model,
        prompt=(prompt or "")[:PROMPT_CHARS],
        duration=clips[0].duration_s if clips else audio_duration,
        batch_size=batch_size,
        seeds=list(seeds or ()),
        key_prefix=key_prefix,
        team_id=str(public_team_id),
        priority=priority,
        labels=dict(labels or {}),
        error_code=error_code,
        outputs=[
            ListedOutput(index=clip.index, file=audio_url(clip.public_key), available=clip.available)
            for clip in clips
        ],
    )


def listed_of(task: StoredTask) -> ListedTask:
    """Write the line of a task of which everything was read."""
    return listed(
        id=task.id,
        status=task.status.value,
        created_at=task.created_at,
        started_at=task.started_at,
        finished_at=task.finished_at,
        task_type=task.task_type,
        model=task.model,
        prompt=task.params.get("prompt"),
        audio_duration=task.params.get("audio_duration"),
        batch_size=task.params.get("batch_size"),
        seeds=task.params.get("seeds"),
        key_prefix=task.key_prefix,
        public_team_id=task.public_team_id,
        priority=task.priority,
        labels=task.labels,
        error_code=task.error_code,
        clips=task.clips,
    )
