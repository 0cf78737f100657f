"""Webhook endpoints and deliveries as their team sees them."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from app.domain.wire_json import rfc3339

DeliveryState = Literal["pending", "delivered", "dead"]
DELIVERY_STATES: tuple[DeliveryState, ...] = ("pending", "delivered", "dead")


class LastDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the latest delivery; `status` is that of HTTP, null if no answer came."""

    at: str
    state: DeliveryState
    status: int | None
    error: str | None


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a team wants its events.

    `secret` is shown when it is made, and never again. While it rotates, the one before goes on until
    `old_secret_until`.
    """

    id: str
    url: str
    events: list[str]
    active: bool
    created_at: str
    secret: str | None
    old_secret_until: str | None
    last_delivery: LastDelivery | None


class EndpointList(msgspec.Struct, frozen=True, kw_only=True):
    """All endpoints of a team, the oldest first."""

    items: list[Endpoint]
    next_cursor: None = None
    has_more: Literal[False] = False


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try to deliver; `answer` is the beginning of the receiver's answer."""

    at: str
    status: int | None
    latency_ms: int
    answer: str
    error: str | None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one endpoint, or for the `webhook_url` of its task, where `webhook_id` is null.

    `id` is the event id that the receiver sees, the same in every try.
    `tries` counts those since it was made, or asked for once more by hand; `attempts` keeps the latest ones.
    """

    id: str
    event: str
    task_id: str
    webhook_id: str | None
    url: str
    state: DeliveryState
    created_at: str
    tries: int
    next_at: str | None
    delivered_at: str | None
    dead_at: str | None
    attempts: list[Attempt]


class DeliveryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Deliveries of an endpoint, or of all of a team, the newest first."""

    items: list[Delivery]
    next_cursor: str | None
    has_more: bool


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    """What is gone."""

    id: str
    deleted: Literal[True] = True


class TeamSecret(msgspec.Struct, frozen=True, kw_only=True):
    """The secret that signs the webhooks of single tasks; shown this once."""

    secret: str
    old_secret_until: str | None


def delivery_state(delivered_at: datetime | None, dead_at: datetime | None) -> DeliveryState:
    """Name where a delivery stands."""
    if delivered_at is not None:
        return "delivered"
    return "pending" if dead_at is None else "dead"


def shown_delivery(row: Any) -> Delivery:
    """Write a stored delivery as its team sees it.

    Args:
        row: has the stored columns as attributes, and `task_id`.
    """
    return Delivery(
        id=str(row.id),
        event=row.event,
        task_id=str(row.task_id),
        webhook_id=str(row.endpoint_id) if row.endpoint_id else None,
        url=row.url,
        state=delivery_state(row.delivered_at, row.dead_at),
        created_at=rfc3339(row.created_at),
        tries=row.tries,
        next_at=_time(row.next_at),
        delivered_at=_time(row.delivered_at),
        dead_at=_time(row.dead_at),
        attempts=msgspec.convert(row.attempts, list[Attempt]),
    )


def _time(at: datetime | None) -> str | None:
    return rfc3339(at) if at else None
