"""The answers of `/v1/admin`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from app.domain.audit_log import AuditEntry
from app.domain.operations import Load, Trace, WorkerRow
from app.domain.wire_json import rfc3339
from app.services.operations import Status

_Count = Annotated[int, Meta(ge=0)]
Health = Literal["ok", "unavailable"]


class LoadView(msgspec.Struct, frozen=True, kw_only=True):
    """Live tasks of one team, model or stage.

    `oldest_seconds` counts from the submission of the oldest waiting task; in a stage from the start of the
    oldest one there.
    """

    name: str
    queued: _Count
    running: _Count
    oldest_seconds: float | None

    @classmethod
    def of(cls, load: Load) -> "LoadView":
        """Show a load."""
        return cls(
            name=load.name,
            queued=load.queued,
            running=load.running,
            oldest_seconds=None if load.oldest_seconds is None else round(load.oldest_seconds, 3),
        )


class QueueView(msgspec.Struct, frozen=True, kw_only=True):
    """The waiting tasks; `max` null = unlimited."""

    size: _Count
    max: int | None
    oldest_seconds: float | None


class LastHourView(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks that ended within the last hour."""

    succeeded: _Count
    failed: _Count
    cancelled: _Count


class AdminStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The whole service at one moment; lists name only what has live tasks."""

    paused: bool
    queue: QueueView
    teams: Sequence[LoadView]
    models: Sequence[LoadView]
    stages: Sequence[LoadView]
    last_hour: LastHourView
    redis: Health
    store: Health

    @classmethod
    def of(cls, status: Status) -> "AdminStatus":
        """Show the status."""
        total = LoadView.of(status.live.total)
        hour = status.last_hour
        return cls(
            paused=status.is_paused,
            queue=QueueView(size=total.queued, max=status.queue_limit, oldest_seconds=total.oldest_seconds),
            teams=[LoadView.of(load) for load in status.live.teams],
            models=[LoadView.of(load) for load in status.live.models],
            stages=[LoadView.of(load) for load in status.live.stages],
            last_hour=LastHourView(succeeded=hour.succeeded, failed=hour.failed, cancelled=hour.cancelled),
            redis="ok" if status.redis_answers else "unavailable",
            store="ok" if status.store_answers else "unavailable",
        )


class WorkerView(msgspec.Struct, frozen=True, kw_only=True):
    """A worker process; `alive`: it has reported within a lease."""

    id: str
    host: str
    pid: int
    version: str
    state: str
    alive: bool
    slots: int
    models: Sequence[Mapping[str, Any]]
    loaded: Sequence[Any]
    device: str | None
    vram_mb: int | None
    started_at: str
    seen_at: str
    drain_requested: bool
    doorbell_failures: _Count
    task_ids: Sequence[str]

    @classmethod
    def of(cls, worker: WorkerRow) -> "WorkerView":
        """Show a worker."""
        return cls(
            id=str(worker.id),
            host=worker.host,
            pid=worker.pid,
            version=worker.version,
            state=worker.state,
            alive=worker.alive,
            slots=worker.slots,
            models=worker.models,
            loaded=worker.loaded,
            device=worker.device,
            vram_mb=worker.vram_mb,
            started_at=rfc3339(worker.started_at),
            seen_at=rfc3339(worker.seen_at),
            drain_requested=worker.drain_requested,
            doorbell_failures=worker.doorbell_failures,
            task_ids=[str(id_) for id_ in worker.task_ids],
        )


class WorkerList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of workers, those that started last first."""

    items: Sequence[WorkerView]
    next_cursor: str | None
    has_more: bool


class AuditView(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a team, a key, the queue or a worker; `change` has values, or old and new ones."""

    at: str
    actor: str
    action: str
    object: str
    change: Mapping[str, Any]

    @classmethod
    def of(cls, entry: AuditEntry) -> "AuditView":
        """Show an entry."""
        return cls(
            at=rfc3339(entry.at),
            actor=entry.actor,
            action=entry.action,
            object=entry.object,
            change=entry.change,
        )


class AuditList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the audit log, newest first."""

    items: Sequence[AuditView]
    next_cursor: str | None
    has_more: bool


class PauseView(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the queue is paused now."""

    paused: bool


class DrainView(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that was asked to claim no more."""

    id: str
    drain_requested: Literal[True] = True


class TraceView(msgspec.Struct, frozen=True, kw_only=True):
    """The private text of one failed attempt."""

    attempt: int
    at: str
    code: str | None
    traceback: str


class Traces(msgspec.Struct, frozen=True, kw_only=True):
    """The failed attempts of a task that left a private text, oldest first."""

    id: str
    tracebacks: Sequence[TraceView]

    @classmethod
    def of(cls, id_: str, traces: Sequence[Trace]) -> "Traces":
        """Show the traces of a task."""
        views = [
            TraceView(attempt=trace.attempt, at=rfc3339(trace.at), code=trace.code, traceback=trace.text)
            for trace in traces
        ]
        return cls(id=id_, tracebacks=views)
