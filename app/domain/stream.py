"""What a stream tells of a task: its state, or how far it is."""

from dataclasses import dataclass
from typing import Literal, assert_never
from uuid import UUID

import msgspec

from app.domain.progress import live, steps_of
from app.domain.task import TaskId, TaskStatus, TeamId

STATE_OF_EVENT = {
    "queued": TaskStatus.QUEUED,
    "claimed": TaskStatus.RUNNING,
    "requeued": TaskStatus.QUEUED,
    "succeeded": TaskStatus.SUCCEEDED,
    "failed": TaskStatus.FAILED,
    "cancelled": TaskStatus.CANCELLED,
}
"""Events that say that a task is in another state now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A task as it was read, and the event that told of it.

    Attributes:
        id: of the event; of the latest one where a state is read; None for the progress of a running task.
        event: None where a state or progress is read.
        is_shown: neither erased nor an internal task.
    """

    id: int | None
    event: str | None
    task_id: TaskId
    team_id: TeamId
    public_team_id: UUID
    status: TaskStatus
    progress: float
    stage: str | None
    progress_text: str | None
    error_code: str | None
    error_message: str | None
    is_shown: bool

    @property
    def state(self) -> TaskStatus:
        """The state that the event tells; where none does, the present one."""
        return STATE_OF_EVENT.get(self.event or "", self.status)

    @property
    def tells_state(self) -> bool:
        """Whether clients see it as an event of kind `state`."""
        return self.is_shown and self.event in STATE_OF_EVENT


class TaskNews(msgspec.Struct, frozen=True, kw_only=True):
    """A task at one moment; `team_id` stands in streams of teams only."""

    task_id: str
    state: str
    status: int
    progress: float
    stage: str
    step: int | None
    steps: int | None
    progress_text: str
    error_code: str | None
    error: str | None
    team_id: str | msgspec.UnsetType = msgspec.UNSET


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a stream.

    Attributes:
        id: where a client may go on after it; None where it cannot.
        news: None where only the place is told.
    """

    id: int | None
    kind: Literal["state", "progress"] = "state"
    news: TaskNews | None = None


def news(change: Change, *, names_team: bool) -> TaskNews:
    """Write what a change tells; where the task has moved on since, the state is that of the event."""
    status = change.state
    stage, progress, text, error_code, error = _words(status, change)
    step, steps = steps_of(text)
    return TaskNews(
        task_id=str(change.task_id),
        state=status.value,
        status=status.wire_code,
        progress=progress,
        stage=stage,
        step=step,
        steps=steps,
        progress_text=text,
        error_code=error_code,
        error=error,
        team_id=str(change.public_team_id) if names_team else msgspec.UNSET,
    )


def _words(status: TaskStatus, read: Change) -> tuple[str, float, str, str | None, str | None]:
    """Stage, progress, text, error code and error; a final state never changes, so its row still tells it."""
    match status:
        case TaskStatus.QUEUED:
            return "queued", 0.0, "queued", None, None
        case TaskStatus.RUNNING:
            if read.status is not status:
                return *live(None, 0.01, None), None, None
            return *live(read.stage, read.progress, read.progress_text), None, None
        case TaskStatus.SUCCEEDED:
            return "succeeded", 1.0, "done", None, None
        case TaskStatus.FAILED:
            reason = read.error_message or "generation failed"
            return "failed", 0.0, reason, read.error_code or "internal", reason
        case TaskStatus.CANCELLED:
            return "failed", 0.0, "cancelled", "cancelled", "cancelled"
        case _:
            assert_never(status)
