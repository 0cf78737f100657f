"""Every change of a task's row, each one guarded statement that applies completely or not at all.

The life cycle is: insert -> claim -> (heartbeat)* -> one of succeed, fail_or_retry, release, cancel, lose.
All leaving of a state goes through one template, so counters, usage and events can never disagree with it.
Times are the database's; "mine" means id and attempt match and the row is still running.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import claim_statements as claim_sql
from app.db import task_statements as sql
from app.domain.errors import ConflictError
from app.domain.idempotency import Idempotency
from app.domain.inputs import TaskInput
from app.domain.task import Accepted, TaskId, TaskStatus, TeamId
from app.domain.terms import terms_of, text_of
from app.domain.tracing import current_traceparent


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task to insert; times and numbers are given by the database.

    `objects` has the column values of inputs that are new in the store, `shared` the ids of those that other
    tasks own; `reserved_seconds` is the most audio that the task may produce.
    """

    id: TaskId
    team_id: TeamId
    api_key_id: int | None
    parent_id: TaskId | None = None
    parent_relation: str | None = None
    request_id: str
    kind: str = "generate"
    task_type: str | None = None
    lane: int = 1
    priority: int = 0
    requested_model: str | None = None
    model: str
    needs_lm: bool = False
    idempotency: Idempotency | None = None
    reserved_seconds: float = 0.0
    request: Mapping[str, Any]
    content_type: str
    params: Mapping[str, Any]
    adjustments: Sequence[Any] = ()
    inputs: Sequence[TaskInput] = ()
    objects: Sequence[Mapping[str, Any]] = ()
    shared: Sequence[int] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    client: Mapping[str, str] | None = None
    webhook_url: str | None = None
    traceparent: str | None = field(default_factory=current_traceparent.get)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that may have been accepted before, under this id or with its key."""

    id: TaskId | None = None
    idempotency: Idempotency | None = None


class Tasks:
    """Statements that change tasks."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def accepted(self, asked: Sequence[Asked]) -> list[Accepted | ConflictError | None]:
        """The answers that these tasks, or earlier requests with their keys, were given; None for new ones.

        A ConflictError stands where the key was used for another request.
        """
        values = {
            "ids": [each.id for each in asked],
            "teams": [each.idempotency.team_id if each.idempotency else None for each in asked],
            "admins": [each.idempotency is not None and each.idempotency.is_admin for each in asked],
            "keys": [each.idempotency.key if each.idempotency else None for each in asked],
            "hashes": [each.idempotency.digest if each.idempotency else None for each in asked],
        }
        rows = await self._connection.execute(sql.ACCEPTED, values)
        found: list[Accepted | ConflictError | None] = [None] * len(asked)
        for row in rows:
            each = asked[row.n - 1]
            is_replayed = row.id != each.id
            try:
                if is_replayed and each.idempotency:
                    each.idempotency.check(row.request_hash)
            except ConflictError as error:
                found[row.n - 1] = error
                continue
            found[row.n - 1] = Accepted(
                task_id=TaskId(row.id), queue_position=row.position, is_replayed=is_replayed
            )
        return found

    async def insert(
        self, tasks: Sequence[tuple[NewTask, int]], *, ageing_s: float, retention_days: int | None = None
    ) -> None:
        """Store queued tasks with their parameters and first events; a repeated id changes nothing.

        Args:
            tasks: each with its 1-based place among the waiting tasks, counted under the gate.
            ageing_s: seconds of waiting that weigh as much as one step of priority.
            retention_days: how long inputs are kept where the team says nothing; None = for ever.
        """
        given = [_columns(task, number, position) for number, (task, position) in enumerate(tasks)]
        await self._connection.execute(
            sql.INSERT, {"tasks": _json(given), "ageing_s": ageing_s, "retention_days": retention_days}
        )

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


def _columns(task: NewTask, number: int, position: int) -> dict[str, Any]:
    """Values of one task as `INSERT` names them."""
    values = {name: getattr(task, name) for name in NewTask.__dataclass_fields__ if name != "idempotency"}
    return {**values, "n": number, "position": position, **_idempotency(task), **_found_by(task)}


def _idempotency(task: NewTask) -> dict[str, Any]:
    """The key among those of the task's team, or of the team of an admin who belongs to another one."""
    given = task.idempotency
    key, is_own = (given.key, given.team_id == task.team_id) if given else (None, True)
    return {
        "idempotency_key": key if is_own else None,
        "admin_team_id": given.team_id if given and not is_own else None,
        "admin_idempotency_key": None if is_own else key,
        "request_hash": given.digest.hex() if given else None,
    }


def _found_by(task: NewTask) -> dict[str, Any]:
    """What a list finds the task by; prompt jobs are in no list."""
    if task.kind != "generate":
        return {"terms": [], "text": ""}
    terms = terms_of(
        seeds=task.params.get("seeds", ()),
        labels=task.labels,
        input_hashes=[given.sha256 for given in task.inputs],
        parent_id=task.parent_id,
    )
    return {"terms": terms, "text": text_of(task.params)}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
