"""What operators see of the running service: load, workers, and private traces of failures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Live tasks of one team, model or stage.

    `oldest_seconds`: since the oldest of the waiting ones was submitted, in a stage since the oldest one
    started; None where there is none.
    """

    name: str
    queued: int
    running: int
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTasks:
    """All live generation tasks, in sum and by what they have in common."""

    total: Load
    teams: Sequence[Load]
    models: Sequence[Load]
    stages: Sequence[Load]


@dataclass(frozen=True, slots=True, kw_only=True)
class LastHour:
    """Tasks that ended within the last hour."""

    succeeded: int
    failed: int
    cancelled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """What a worker process has told of itself, and the tasks that it runs.

    `alive`: it has reported within a lease.
    """

    id: UUID
    host: str
    pid: int
    version: str
    state: str
    slots: int
    models: Sequence[Mapping[str, Any]]
    loaded: Sequence[Any]
    device: str | None
    vram_mb: int | None
    started_at: datetime
    seen_at: datetime
    drain_requested: bool
    doorbell_failures: int
    alive: bool
    task_ids: Sequence[UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The private text of one failed attempt."""

    attempt: int
    at: datetime
    code: str | None
    text: str
