"""Every change of a task's row, each one guarded statement that applies completely or not at all.

The life cycle is: insert (`submissions.py`) -> claim -> (heartbeat)* -> one of succeed, fail_or_retry,
release, cancel, lose.
All leaving of a state goes through one template, so counters, usage and events can never disagree with it.
Times are the database's; "mine" means id and attempt match and the row is still running.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import claim_statements as claim_sql
from app.db import task_statements as sql
from app.domain.task import TaskId, TaskStatus, TeamId


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedTask:
    """A task that now belongs to one attempt of one worker."""

    id: TaskId
    team_id: TeamId
    attempt: int
    crashes: int
    kind: str
    task_type: str | None
    model: str
    params: dict[str, Any]
    inputs: list[dict[str, Any]]
    request_id: str = ""
    traceparent: str | None = None
    public_team_id: UUID | None = None

    def log_fields(self) -> dict[str, object]:
        """What names the task in log lines."""
        return {
            "task_id": self.id,
            "attempt": self.attempt,
            "team": self.public_team_id,
            "request_id": self.request_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What a heartbeat writes for one running task."""

    id: TaskId
    attempt: int
    progress: float
    stage: str
    progress_text: str
    stage_changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A row that left its state, and where it is now."""

    id: TaskId
    team_id: TeamId
    attempt: int
    status: TaskStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who caused a change, for the event."""

    kind: str
    id: str | None = None


class Tasks:
    """Statements that change tasks."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def claim(
        self,
        *,
        worker_id: UUID,
        models: Sequence[str],
        kinds: Sequence[str],
        lease_s: float,
        has_lm: bool = True,
    ) -> list[ClaimedTask]:
        """Take the best eligible task: fairest team first, then its lane, rank and age.

        Args:
            has_lm: the worker offers a language model.

        Returns:
            The claimed task, or nothing. More than one would be a fault of the planner; the caller must
            release the surplus.
        """
        rows = await self._connection.execute(
            claim_sql.CLAIM,
            {
                "worker_id": worker_id,
                "models": list(models),
                "kinds": list(kinds),
                "lease_s": lease_s,
                "has_lm": has_lm,
            },
        )
        return [
            ClaimedTask(
                id=TaskId(row.id),
                team_id=TeamId(row.team_id),
                public_team_id=row.public_team_id,
                attempt=row.attempt,
                crashes=row.crashes,
                kind=row.kind,
                task_type=row.task_type,
                model=row.model,
                params=row.params,
                inputs=row.inputs,
                request_id=row.request_id,
                traceparent=row.traceparent,
            )
            for row in rows
        ]

    async def eligible_exists(
        self, *, models: Sequence[str], kinds: Sequence[str], has_lm: bool = True
    ) -> bool:
        """Whether some queued task of these models may start now (an empty claim can be a mere collision)."""
        values = {"models": list(models), "kinds": list(kinds), "has_lm": has_lm}
        found = await self._connection.scalar(claim_sql.ELIGIBLE, values)
        return bool(found)

    async def waited_long_exists(
        self, *, models: Sequence[str], kinds: Sequence[str], waited_s: float, has_lm: bool = True
    ) -> bool:
        """Whether some queued task of these models could have started `waited_s` ago, and still may."""
        values = {"models": list(models), "kinds": list(kinds), "waited_s": waited_s, "has_lm": has_lm}
        found = await self._connection.scalar(claim_sql.WAITED_LONG, values)
        return bool(found)

    async def heartbeat(
        self, beats: Sequence[Beat], *, worker_id: UUID, lease_s: float
    ) -> dict[tuple[TaskId, int], bool]:
        """Renew the leases that are still mine.

        Returns:
            For each task and attempt still mine, whether a cancel was requested. A missing one is lost.
        """
        rows = await self._connection.execute(
            sql.HEARTBEAT,
            {
                "ids": [beat.id for beat in beats],
                "attempts": [beat.attempt for beat in beats],
                "progress": [beat.progress for beat in beats],
                "stages": [beat.stage for beat in beats],
                "texts": [beat.progress_text for beat in beats],
                "changed": [beat.stage_changed for beat in beats],
                "worker_id": worker_id,
                "lease_s": lease_s,
            },
        )
        return {(TaskId(row.id), row.attempt): row.cancel_requested_at is not None for row in rows}

    async def note(
        self, task_id: TaskId, attempt: int, event: str, *, actor: Actor, data: Mapping[str, Any]
    ) -> None:
        """Add an event to the history of a task."""
        await self._connection.execute(
            sql.NOTE,
            {
                "id": task_id,
                "attempt": attempt,
                "event": event,
                "actor_kind": actor.kind,
                "actor_id": actor.id,
                "data": _json(data),
            },
        )

    async def succeed(
        self,
        task_id: TaskId,
        attempt: int,
        *,
        actor: Actor,
        result: Mapping[str, Any],
        clips: Sequence[Mapping[str, Any]],
        gpu_seconds: float,
        retention_days: int | None = None,
    ) -> bool:
        """Finish a task that is mine and not asked to stop, with its stored clips.

        Args:
            clips: column values of `objects`, one mapping per output.
            retention_days: how long they are kept where the team says nothing; None = for ever.

        Returns:
            False if it is no longer mine, or a cancel came first.
        """
        settled = await self._settle(
            sql.SUCCEED,
            actor,
            id=task_id,
            attempt=attempt,
            result=_json(result),
            clips=_json(clips),
            gpu_seconds=gpu_seconds,
            audio_seconds=float(sum(clip["duration_s"] for clip in clips)),
            stored_bytes=sum(clip["bytes"] for clip in clips),
            retention_days=retention_days,
        )
        return bool(settled)

    async def fail_or_retry(
        self,
        task_id: TaskId,
        attempt: int,
        *,
        actor: Actor,
        code: str,
        message: str,
        trace: str | None,
        max_failures: int,
        gpu_seconds: float,
        peak_memory_bytes: int | None = None,
    ) -> Settled | None:
        """Put a task that is mine back for a later try, or fail it when its tries are used up.

        Args:
            trace: private text for the event, read by admins only.
            max_failures: tries in all; 1 = never retry.
        """
        settled = await self._settle(
            sql.FAIL_OR_RETRY,
            actor,
            id=task_id,
            attempt=attempt,
            code=code,
            message=message,
            max_failures=max_failures,
            gpu_seconds=gpu_seconds,
            data={
                "code": code,
                "message": message,
                "trace": trace,
                "peak_memory_bytes": peak_memory_bytes,
            },
        )
        return settled[0] if settled else None

    async def release(
        self, task_id: TaskId, attempt: int, *, actor: Actor, gpu_seconds: float = 0.0
    ) -> Settled | None:
        """Give a task that is mine back to the queue at no cost to its budgets.

        Only after the process that computed it is dead. A task asked to cancel ends instead.
        """
        settled = await self._settle(
            sql.RELEASE,
            actor,
            id=task_id,
            attempt=attempt,
            gpu_seconds=gpu_seconds,
            data={"reason": "released"},
        )
        return settled[0] if settled else None

    async def cancel_running(
        self, task_id: TaskId, attempt: int, *, actor: Actor, gpu_seconds: float
    ) -> bool:
        """End a task that is mine and asked to cancel, after its computation stopped."""
        settled = await self._settle(
            sql.CANCEL_RUNNING, actor, id=task_id, attempt=attempt, gpu_seconds=gpu_seconds
        )
        return bool(settled)

    async def cancel_queued(self, team_id: TeamId, task_id: TaskId, *, actor: Actor) -> bool:
        """Cancel a waiting task of the team at once."""
        return bool(await self._settle(sql.CANCEL_QUEUED, actor, id=task_id, team_id=team_id))

    async def request_cancel(self, team_id: TeamId, task_id: TaskId, *, actor: Actor) -> bool:
        """Ask the worker of a running task of the team to stop; the first request is recorded."""
        row = await self._connection.execute(
            sql.REQUEST_CANCEL,
            {"id": task_id, "team_id": team_id, "actor_kind": actor.kind, "actor_id": actor.id},
        )
        return row.first() is not None

    async def lose_expired(self, *, actor: Actor, max_crashes: int, lease_s: float) -> list[Settled]:
        """Take tasks from attempts whose lease has run out, at most 200 in one call.

        Args:
            lease_s: nothing is taken before the database has run for this long.
        """
        return await self._settle(
            sql.LOSE_EXPIRED, actor, max_crashes=max_crashes, lease_s=lease_s, data=_LEASE_EXPIRED
        )

    async def fail_unserved(self, *, actor: Actor, wait_s: float) -> list[Settled]:
        """Fail waiting tasks whose model no worker has offered for `wait_s`, at most 200 in one call."""
        return await self._settle(sql.FAIL_UNSERVED, actor, wait_s=wait_s)

    async def lose_worker(self, worker_id: UUID, *, actor: Actor, max_crashes: int) -> list[Settled]:
        """Take all tasks from a worker that is known to be dead."""
        return await self._settle(
            sql.LOSE_WORKER, actor, worker_id=worker_id, max_crashes=max_crashes, data=_WORKER_DIED
        )

    async def lose_attempt(
        self, task_id: TaskId, attempt: int, *, actor: Actor, max_crashes: int, gpu_seconds: float = 0.0
    ) -> Settled | None:
        """Take a task from an attempt of mine whose process died without a word."""
        settled = await self._settle(
            sql.LOSE_ATTEMPT,
            actor,
            id=task_id,
            attempt=attempt,
            max_crashes=max_crashes,
            gpu_seconds=gpu_seconds,
            data=_CHILD_DIED,
        )
        return settled[0] if settled else None

    async def _settle(self, statement: TextClause, actor: Actor, **values: Any) -> list[Settled]:
        values["data"] = _json({k: v for k, v in values.get("data", {}).items() if v is not None})
        parameters = {
            "actor_kind": actor.kind,
            "actor_id": actor.id,
            "gpu_seconds": 0.0,
            "audio_seconds": 0.0,
            "stored_bytes": 0,
            **values,
        }
        rows = await self._connection.execute(statement, parameters)
        return [
            Settled(
                id=TaskId(row.id),
                team_id=TeamId(row.team_id),
                attempt=row.attempt,
                status=TaskStatus(row.status),
            )
            for row in rows
        ]


_LEASE_EXPIRED = {"reason": "lease_expired"}
_WORKER_DIED = {"reason": "worker_died"}
_CHILD_DIED = {"reason": "child_died"}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
