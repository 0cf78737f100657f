"""Accepts a task: seeds drawn once, limits and row in one transaction, bell after the commit."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from app.db.engine import Database, retrying
from app.db.submissions import Asked, NewTask
from app.db.unit_of_work import UnitOfWork
from app.domain import seeds
from app.domain.controls import clamp_priority
from app.domain.errors import ConflictError, DatabaseUnavailableError, ServiceError
from app.domain.idempotency import Idempotency
from app.domain.inputs import PATH_PARAMETERS, ReceivedFile, Role, audio_not_available
from app.domain.ports import Doorbell, Ping
from app.domain.room import most_audio_s
from app.domain.rules import language_model_need
from app.domain.task import Accepted, Caller, Submission, TaskId, TeamId
from app.services.together import Together
from app.services.uploads import Taken, Uploads

# How long a submission may wait for a database that restarts before the client is told to come back.
RETRY_LIMIT_S = 3.0


@dataclass(frozen=True, slots=True)
class _Try:
    """One try to store a task; before the first one nothing of it can be there."""

    task: NewTask
    is_first: bool

    @property
    def may_be_stored(self) -> bool:
        """Whether an earlier commit got no answer, or an earlier request has the client's key."""
        return not self.is_first or self.task.idempotency is not None

    @property
    def key(self) -> tuple[TeamId, str] | None:
        """Of requests with one key the second has to find the first one."""
        kept = self.task.idempotency
        return (kept.team_id, kept.key) if kept else None


class Submit:
    """The use case behind `/release_task`."""

    def __init__(
        self,
        database: Database,
        doorbell: Doorbell,
        uploads: Uploads,
        *,
        queue_limit: int | None,
        ageing_s: float,
        max_duration_s: float = 600.0,
        retention_days: int | None = None,
    ) -> None:
        self._database = database
        self._uploads = uploads
        self._max_duration_s = max_duration_s
        self._retention_days = retention_days
        self._doorbell = doorbell
        self._queue_limit = queue_limit
        self._ageing_s = ageing_s
        # The gate lets one transaction through at a time, so those who wait for it share the next one.
        self._store = Together(self._store_all, key=lambda each: each.key)

    async def __call__(
        self,
        caller: Caller,
        submission: Submission,
        *,
        request_id: str,
        client: Mapping[str, str] | None,
        files: Mapping[Role, ReceivedFile] = MappingProxyType({}),
        idempotency: Idempotency | None = None,
    ) -> Accepted:
        """Store inputs and task, and wake a worker; or answer as before to a repeated request.

        Raises:
            ValidationError: an input or a model that cannot be used.
            ForbiddenError: the team is disabled.
            QueueFullError, QuotaExceededError: no room; nothing was stored.
            ConflictError: the idempotency key was used for another request.
            DatabaseUnavailableError: nothing is known to be stored.
        """
        taken = await self._uploads.take(caller.team_id, submission.params, files)
        if submission.origin is not None:
            taken = replace(taken, inputs=[*submission.origin.inputs, *taken.inputs])
        task = self._new_task(caller, submission, taken, request_id=request_id, client=client)
        task = replace(task, idempotency=idempotency)
        tries = itertools.count()
        try:
            accepted = await retrying(
                lambda: self._store(_Try(task, is_first=next(tries) == 0)), limit_s=RETRY_LIMIT_S
            )
        except DatabaseUnavailableError:
            self._uploads.discard_unless(lambda: self._is_stored(task), taken)
            raise
        except Exception:
            await self._uploads.discard(taken)
            raise
        if accepted.is_replayed:
            await self._uploads.discard(taken)
        else:
            self._doorbell.ring([Ping(task.id, 0)])
        return accepted

    async def earlier(self, idempotency: Idempotency) -> Accepted | None:
        """The answer to an earlier request with this key, before anything of the new one is judged.

        Raises:
            ConflictError: the key was used for another request.
        """

        async def look() -> Accepted | None:
            async with self._database.autocommit() as work:
                (found,) = await work.submissions.accepted([Asked(idempotency=idempotency)])
            if isinstance(found, ConflictError):
                raise found
            return found

        return await retrying(look, limit_s=RETRY_LIMIT_S)

    def _new_task(
        self,
        caller: Caller,
        submission: Submission,
        taken: Taken,
        *,
        request_id: str,
        client: Mapping[str, str] | None,
    ) -> NewTask:
        paths = {PATH_PARAMETERS[item.role]: item.path for item in taken.inputs}
        params = {**submission.params, **paths}
        drawn, lm_seed = seeds.draw(
            params["seed"], params["batch_size"], use_random=params["use_random_seed"]
        )
        origin = submission.origin
        if origin is not None:
            drawn = drawn if origin.seeds is None else list(origin.seeds)
            lm_seed = lm_seed if origin.lm_seed is None else origin.lm_seed
        return NewTask(
            id=TaskId(uuid4()),
            team_id=caller.team_id,
            api_key_id=caller.key_id,
            parent_id=origin.task_id if origin else None,
            parent_relation=origin.relation if origin else None,
            request_id=request_id,
            task_type=params["task_type"],
            priority=submission.priority,
            requested_model=submission.requested_model,
            model=params["model"],
            needs_lm=language_model_need(params) is not None,
            reserved_seconds=most_audio_s(params, taken.inputs, max_duration_s=self._max_duration_s),
            request=submission.request,
            content_type=submission.content_type,
            params={**params, "seeds": drawn, "lm_seed": lm_seed},
            adjustments=list(submission.adjustments),
            inputs=taken.inputs,
            objects=taken.objects,
            labels=submission.labels,
            client=client,
            webhook_url=submission.webhook_url,
        )

    async def _is_stored(self, task: NewTask) -> bool:
        """Whether the row was committed; the gate makes it wait for a try that has not ended."""
        async with self._database.transaction() as work:
            await work.queue.lock_gate()
            (stored,) = await work.submissions.accepted([Asked(id=task.id)])
            return stored is not None

    async def _store_all(self, tries: Sequence[_Try]) -> list[Accepted | Exception]:
        """Store tasks in one transaction; an answer, or what is wrong with it, for each."""
        tasks = [each.task for each in tries]
        asked = [
            Asked(id=each.task.id, idempotency=each.task.idempotency) for each in tries if each.may_be_stored
        ]
        async with self._database.transaction() as work:
            await work.queue.lock_gate()
            known = await work.submissions.accepted(asked) if asked else []
            answers: dict[Any, Accepted | Exception] = {
                each.id: answer for each, answer in zip(asked, known, strict=True) if answer is not None
            }
            alike: dict[tuple[TeamId, int], list[NewTask]] = {}
            for task in tasks:
                if task.id not in answers:
                    alike.setdefault((task.team_id, task.priority), []).append(task)
            # One after the other, so that each group counts those before it.
            for group in alike.values():
                answers |= await self._add(work, group)
        return [answers[task.id] for task in tasks]

    async def _add(self, work: UnitOfWork, group: Sequence[NewTask]) -> dict[TaskId, Accepted | Exception]:
        """Add tasks of one team and priority, as far as there is room."""
        first = group[0]
        room = await work.queue.room(
            first.team_id,
            most=self._queue_limit,
            priority=first.priority,
            ageing_s=self._ageing_s,
            places=len(group),
        )
        priority, note = clamp_priority(first.priority, max_priority=room.limits.max_priority)
        answers: dict[TaskId, Accepted | Exception] = {}
        fitting: list[tuple[NewTask, int]] = []
        for task in group:
            try:
                room.check(queue_limit=self._queue_limit, model=task.model, wanted_s=task.reserved_seconds)
                shared = await _kept(work, task)
            except ServiceError as error:
                answers[task.id] = error
                continue
            adjustments = [*task.adjustments, *([note] if note else [])]
            stored = replace(task, priority=priority, adjustments=adjustments, shared=shared)
            fitting.append((stored, room.position))
            answers[task.id] = Accepted(task_id=task.id, queue_position=room.position)
            room = room.after(task.reserved_seconds)
        if fitting:
            await work.submissions.insert(
                fitting, ageing_s=self._ageing_s, retention_days=self._retention_days
            )
        return answers


async def _kept(work: UnitOfWork, task: NewTask) -> list[int]:
    """Ids of the inputs that other tasks own; from here on they stay as long as this task may need them."""
    new = {row["public_key"] for row in task.objects}
    paths = {given.path for given in task.inputs} - new
    if not paths:
        return []
    kept = await work.objects.keep(task.team_id, sorted(paths))
    if len(kept) < len(paths):
        raise ConflictError("input no longer available") if task.parent_id else audio_not_available()
    return kept
