"""Deliveries of webhooks that are due: what is sent, signed anew for every try, and what came of it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from app.db.deliveries import Due
from app.db.engine import Database, retrying
from app.domain.result import entry
from app.domain.task import TaskStatus, TaskView, TeamId
from app.domain.webhook import (
    EVENT_ID_HEADER,
    SENDING_LIMIT_S,
    SIGNATURE_HEADER,
    delay_after_s,
    encode_payload,
    make_secret,
    signature,
)
from app.domain.wire_json import rfc3339
from app.services.sealing import Sealing

# A try that nobody recorded within this time is made again.
HOLD_S = 3 * SENDING_LIMIT_S
RECORD_LIMIT_S = SENDING_LIMIT_S
_SWITCHED_OFF = "the endpoint is switched off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one try sends."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of one try.

    Attributes:
        status: HTTP status; None if none came.
        answer: beginning of the answer's body.
        error: why the try failed, in public words; None = delivered.
    """

    status: int | None = None
    answer: str = ""
    error: str | None = None
    latency_ms: int = 0


class Deliver:
    """The use cases of the delivery loop; every method may be repeated."""

    def __init__(
        self, database: Database, sealing: Sealing, *, env: str, version: str, hold_s: float = HOLD_S
    ) -> None:
        self._database = database
        self._sealing = sealing
        self._env = env
        self._hold_s = hold_s
        self._agent = f"acestep-service/{version}"

    async def take(self, *, most: int, busy: Sequence[TeamId]) -> list[Due]:
        """Take due deliveries; those of switched off and deleted endpoints are settled at once."""
        async with self._database.autocommit() as work:
            taken = await work.deliveries.take(most=most, busy=busy, hold_s=self._hold_s)
        ready = []
        for due in taken:
            if due.endpoint_id is None or due.active:
                ready.append(due)
            elif due.active is None:
                async with self._database.autocommit() as work:
                    await work.deliveries.drop(due.id)
            else:
                await self._record(due, Reply(error=_SWITCHED_OFF), is_last=True)
        return ready

    async def message(self, due: Due) -> Message:
        """Write and sign what a delivery sends now.

        Raises:
            DatabaseUnavailableError: the delivery stays due.
            ConflictError: the secrets cannot be opened.
        """
        async with self._database.autocommit() as work:
            view = (await work.views.by_ids(due.team_id, [due.task_id])).get(due.task_id)
        body = encode_payload(
            event_id=due.id,
            event=due.event,
            created_at=due.created_at,
            team_id=due.public_team_id,
            data=self._data(due, view),
        )
        live = self._sealing.live(due.secrets or await self._team_secrets(due.team_id))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": self._agent,
            EVENT_ID_HEADER: str(due.id),
            SIGNATURE_HEADER: signature(body, live_secrets=live, at_s=int(time.time())),
        }
        return Message(url=due.url, headers=headers, body=body)

    async def record(self, due: Due, reply: Reply) -> None:
        """Write down what came of a try, and when the next one is, if it failed."""
        await retrying(lambda: self._record(due, reply), limit_s=RECORD_LIMIT_S)

    async def _record(self, due: Due, reply: Reply, *, is_last: bool = False) -> None:
        is_delivered = reply.error is None
        attempt = {
            "at": rfc3339(datetime.now(UTC)),
            "status": reply.status,
            "latency_ms": reply.latency_ms,
            "answer": reply.answer,
            "error": reply.error,
        }
        async with self._database.autocommit() as work:
            await work.deliveries.record(
                due.id,
                due.tries,
                is_delivered=is_delivered,
                delay_s=None if is_delivered or is_last else delay_after_s(due.tries),
                status=reply.status,
                error=reply.error,
                attempt=attempt,
            )

    def _data(self, due: Due, view: TaskView | None) -> dict[str, Any]:
        """State and error as they were at the event; the result as `/query_result` shows it now.

        Of an erased task that is the state alone.
        """
        view = view or _erased(due)
        if due.event == "task.started":
            # The task may have ended since, and the event says that it began.
            view = replace(
                view, status=TaskStatus.RUNNING, progress=0.01, stage="loading", progress_text=None
            )
        shown = entry(str(due.task_id), view, env=self._env)
        state = TaskStatus(due.facts["state"])
        return {
            "task_id": str(due.task_id),
            "state": state.value,
            "status": state.wire_code,
            "result": shown.result,
            "error_code": due.facts["error_code"],
            "error": due.facts["error"],
        }

    async def _team_secrets(self, team_id: TeamId) -> list[Any]:
        """The team's own secrets, made when they are needed for the first time."""
        async with self._database.transaction() as work:
            stored = await work.webhooks.team_secrets(team_id)
            if not stored:
                stored = self._sealing.rotated(make_secret(), [])
                await work.webhooks.set_team_secrets(team_id, stored)
        return stored


def _erased(due: Due) -> TaskView:
    """What is left to tell of a task whose content is gone."""
    return TaskView(
        id=due.task_id,
        status=TaskStatus(due.facts["state"]),
        attempt=0,
        created_at=due.created_at,
        progress=0.0,
        stage=None,
        progress_text=None,
        queue_position=None,
        params={},
        adjustments=[],
        model="",
        result=None,
        error_code=due.facts["error_code"],
        error_message=due.facts["error"],
        clips=[],
    )
