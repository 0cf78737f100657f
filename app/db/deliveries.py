"""Deliveries of webhooks: taken for a try, recorded, listed, and asked for once more.

A try is taken by one short statement that moves its time ahead, and recorded by another after the sending;
`tries` is the fence between them. Whoever dies in between leaves a row that is due again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.endpoints import Delivery, DeliveryState, shown_delivery
from app.domain.task import TaskId, TeamId

MAX_ATTEMPTS_KEPT = 16

# The address is the endpoint's of today: a wrong one can be mended while its deliveries wait.
_TAKE = text("""
WITH due AS MATERIALIZED (
    SELECT id FROM webhook_deliveries
    WHERE next_at <= now() AND delivered_at IS NULL AND dead_at IS NULL
      AND team_id <> ALL(CAST(:busy AS bigint[]))
    ORDER BY next_at LIMIT :most
    FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE webhook_deliveries d SET
        tries = d.tries + 1, next_at = now() + make_interval(secs => :hold_s),
        url = coalesce((SELECT w.url FROM webhook_endpoints w WHERE w.id = d.endpoint_id), d.url)
    FROM due WHERE d.id = due.id
    RETURNING d.id, d.team_id, d.endpoint_id, d.url, d.task_seq, d.event, d.body, d.created_at, d.tries
)
SELECT d.id, d.team_id, g.public_id AS public_team_id, d.url, t.id AS task_id, d.event, d.body, d.created_at,
       d.tries, d.endpoint_id, w.active, coalesce(w.secrets, g.webhook_secrets) AS secrets
FROM taken d
JOIN teams g ON g.id = d.team_id
JOIN tasks t ON t.seq = d.task_seq
LEFT JOIN webhook_endpoints w ON w.id = d.endpoint_id
""")
_RECORD = text("""
UPDATE webhook_deliveries SET
    last_status = :status, last_error = :error,
    attempts = CASE WHEN jsonb_array_length(attempts) < :most THEN attempts ELSE attempts - 0 END
               || jsonb_build_array(CAST(:attempt AS jsonb)),
    delivered_at = CASE WHEN :is_delivered THEN now() END,
    dead_at = CASE WHEN NOT :is_delivered AND CAST(:delay_s AS float8) IS NULL THEN now() END,
    next_at = now() + make_interval(secs => coalesce(CAST(:delay_s AS float8), 0))
WHERE id = :id AND tries = :tries AND delivered_at IS NULL AND dead_at IS NULL
RETURNING id
""")
_DROP = text("DELETE FROM webhook_deliveries WHERE id = :id")
# Of an erased task nothing is kept once it was told.
_FORGET_TOLD = text("""
DELETE FROM webhook_deliveries d USING tasks t
WHERE d.id = :id AND t.seq = d.task_seq AND t.deleted_at IS NOT NULL
  AND (d.delivered_at IS NOT NULL OR d.dead_at IS NOT NULL)
""")

_SHOWN = """
d.id, d.endpoint_id, d.event, t.id AS task_id, d.url, d.created_at, d.tries, d.attempts, d.last_status,
       d.last_error, CASE WHEN d.delivered_at IS NULL AND d.dead_at IS NULL THEN d.next_at END AS next_at,
       d.delivered_at, d.dead_at"""
_PAGE = text(f"""
SELECT {_SHOWN}
FROM webhook_deliveries d JOIN tasks t ON t.seq = d.task_seq
WHERE d.endpoint_id = :endpoint_id AND d.team_id = :team_id
  AND (CAST(:after_id AS uuid) IS NULL
       OR (d.created_at, d.id) < (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid)))
ORDER BY d.created_at DESC, d.id DESC LIMIT :limit
""")  # noqa: S608 - parts of this file only
_PLACE = text("""
SELECT created_at FROM webhook_deliveries
WHERE id = :id AND endpoint_id = :endpoint_id AND team_id = :team_id
""")

_STATES: Mapping[DeliveryState | None, str] = {
    None: "TRUE",
    "pending": "d.delivered_at IS NULL AND d.dead_at IS NULL",
    "delivered": "d.delivered_at IS NOT NULL",
    "dead": "d.dead_at IS NOT NULL",
}
_OF_TASK = "d.task_seq = (SELECT seq FROM tasks WHERE id = :task_id AND team_id = :team_id)"


def _page_of_team(state: DeliveryState | None, *, of_task: bool) -> TextClause:
    """Write the list with its filters, so that each form of it has an index."""
    return text(f"""
SELECT {_SHOWN}
FROM webhook_deliveries d JOIN tasks t ON t.seq = d.task_seq
WHERE d.team_id = :team_id AND {_STATES[state]} AND {_OF_TASK if of_task else "TRUE"}
  AND (CAST(:after_id AS uuid) IS NULL
       OR (d.created_at, d.id) < (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid)))
ORDER BY d.created_at DESC, d.id DESC LIMIT :limit
""")  # noqa: S608 - parts of this file only


PAGES_OF_TEAM = {
    (state, of_task): _page_of_team(state, of_task=of_task) for state in _STATES for of_task in (False, True)
}
_PLACE_OF_TEAM = text("SELECT created_at FROM webhook_deliveries WHERE id = :id AND team_id = :team_id")
_AGAIN = text(f"""
WITH d AS (
    UPDATE webhook_deliveries SET tries = 0, next_at = now(), delivered_at = NULL, dead_at = NULL
    WHERE id = :id AND team_id = :team_id
    RETURNING *
)
SELECT {_SHOWN} FROM d JOIN tasks t ON t.seq = d.task_seq
""")  # noqa: S608
_WAITING = text("""
SELECT count(*) AS waiting, coalesce(extract(epoch FROM now() - min(created_at)), 0) AS oldest_s
FROM webhook_deliveries WHERE delivered_at IS NULL AND dead_at IS NULL
""")
_FORGET = text("""
DELETE FROM webhook_deliveries WHERE id = ANY(ARRAY(
    SELECT id FROM webhook_deliveries
    WHERE created_at < now() - make_interval(days => :days)
      AND (delivered_at IS NOT NULL OR dead_at IS NOT NULL)
    LIMIT 1000))
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A delivery that now belongs to one try.

    Attributes:
        facts: state and error of the task at the time of the event.
        endpoint_id: None for the webhook of a single task, which the team's own secrets sign.
        active: of the endpoint; None where there is none (any more).
        secrets: sealed, of the endpoint or of the team.
    """

    id: UUID
    team_id: TeamId
    public_team_id: UUID
    url: str
    task_id: TaskId
    event: str
    facts: Mapping[str, Any]
    created_at: datetime
    tries: int
    endpoint_id: UUID | None
    active: bool | None
    secrets: list[Any] = field(repr=False)


class Deliveries:
    """Statements on the `webhook_deliveries` table."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def take(self, *, most: int, busy: Sequence[TeamId], hold_s: float) -> list[Due]:
        """Take due deliveries for a try, those of busy teams excepted.

        Args:
            hold_s: how long nobody else takes them; longer than a try lasts.
        """
        rows = await self._connection.execute(_TAKE, {"most": most, "busy": list(busy), "hold_s": hold_s})
        return [_due(row) for row in rows]

    async def record(
        self,
        delivery_id: UUID,
        tries: int,
        *,
        is_delivered: bool,
        delay_s: float | None,
        status: int | None,
        error: str | None,
        attempt: Mapping[str, Any],
    ) -> bool:
        """Write the outcome of a try; False if the delivery was taken again or asked for once more.

        Args:
            delay_s: until the next try; None = it was the last one.
        """
        values = {
            "id": delivery_id,
            "tries": tries,
            "is_delivered": is_delivered,
            "delay_s": delay_s,
            "status": status,
            "error": error,
            "attempt": msgspec.json.encode(attempt).decode(),
            "most": MAX_ATTEMPTS_KEPT,
        }
        is_recorded = (await self._connection.execute(_RECORD, values)).first() is not None
        if is_delivered or delay_s is None:
            await self._connection.execute(_FORGET_TOLD, {"id": delivery_id})
        return is_recorded

    async def drop(self, delivery_id: UUID) -> None:
        """Remove a delivery whose endpoint is gone."""
        await self._connection.execute(_DROP, {"id": delivery_id})

    async def page(
        self, team_id: TeamId, endpoint_id: UUID, *, after: UUID | None, limit: int
    ) -> list[Delivery] | None:
        """Deliveries of an endpoint, newest first, after one of them; None if there is no such one."""
        values: dict[str, Any] = {"team_id": team_id, "endpoint_id": endpoint_id}
        after_at = None
        if after is not None:
            after_at = await self._connection.scalar(_PLACE, {**values, "id": after})
            if after_at is None:
                return None
        values |= {"after_id": after, "after_at": after_at, "limit": limit}
        return [shown_delivery(row) for row in await self._connection.execute(_PAGE, values)]

    async def page_of_team(
        self,
        team_id: TeamId,
        *,
        state: DeliveryState | None,
        task_id: TaskId | None,
        after: UUID | None,
        limit: int,
    ) -> list[Delivery] | None:
        """Deliveries of a team, to endpoints and to webhooks of single tasks; else as `page`."""
        values: dict[str, Any] = {"team_id": team_id, "after_id": after, "after_at": None, "limit": limit}
        if after is not None:
            values["after_at"] = await self._connection.scalar(
                _PLACE_OF_TEAM, {"team_id": team_id, "id": after}
            )
            if values["after_at"] is None:
                return None
        if task_id is not None:
            values["task_id"] = task_id
        statement = PAGES_OF_TEAM[state, task_id is not None]
        return [shown_delivery(row) for row in await self._connection.execute(statement, values)]

    async def again(self, team_id: TeamId, delivery_id: UUID) -> Delivery | None:
        """Make a delivery of the team due now, with all its tries and under its id; None if unknown."""
        row = (await self._connection.execute(_AGAIN, {"team_id": team_id, "id": delivery_id})).first()
        return shown_delivery(row) if row else None

    async def waiting(self) -> tuple[int, float]:
        """How many deliveries of the whole service are still to be made, and the age of the oldest event."""
        row = (await self._connection.execute(_WAITING)).one()
        return row.waiting, float(row.oldest_s)

    async def forget_old(self, *, days: int) -> None:
        """Remove some of the deliveries that ended this long ago."""
        await self._connection.execute(_FORGET, {"days": days})


def _due(row: Row[Any]) -> Due:
    values = dict(row._mapping)
    return Due(facts=values.pop("body"), **values)
