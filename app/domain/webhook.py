"""What a webhook carries and how it is signed; when a delivery that failed is tried again."""

import hashlib
import hmac
import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from app.domain.wire_json import rfc3339

FINAL_EVENTS = ("task.succeeded", "task.failed", "task.cancelled")
EVENTS = (*FINAL_EVENTS, "task.started")
"""What an endpoint may ask for; one that asks for nothing gets the final ones."""

MAX_ENDPOINTS = 20
"""Of one team: each of them costs a row at every end of a task."""

SENDING_LIMIT_S = 10.0
MAX_ANSWER_BYTES = 1024
_DELAYS_S = (10.0, 60.0, 300.0, 1800.0, 7200.0, 21_600.0, 43_200.0)
MAX_TRIES = len(_DELAYS_S) + 1
_JITTER = 0.2

EVENT_ID_HEADER = "X-AceStep-Event-Id"
SIGNATURE_HEADER = "X-AceStep-Signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChange:
    """Fields of an endpoint as a client gave them; None = not given.

    `overlap` is how long the secret before goes on after a rotation.
    """

    url: str | None = None
    events: Sequence[str] | None = None
    active: bool | None = None
    rotate_secret: bool = False
    overlap: timedelta = timedelta(hours=24)

    @property
    def events_or_default(self) -> Sequence[str]:
        """The events of a new endpoint."""
        return FINAL_EVENTS if self.events is None else self.events

    def noted(self) -> dict[str, Any]:
        """What was given, for the audit log."""
        url = None if self.url is None else without_query(self.url)
        given = {"url": url, "events": self.events, "active": self.active}
        changed = {name: value for name, value in given.items() if value is not None}
        return changed | ({"secret": "rotated"} if self.rotate_secret else {})


def without_query(url: str) -> str:
    """The address for the audit log: receivers may know senders by a token in the query."""
    return url.split("?", 1)[0]


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a delivery; `data` names the task and shows its result as `/query_result` does."""

    id: str
    type: str
    created_at: str
    team_id: str
    data: dict[str, Any]


def encode_payload(
    *, event_id: UUID, event: str, created_at: datetime, team_id: UUID, data: Mapping[str, Any]
) -> bytes:
    """Return the raw body, to be signed and sent as it is."""
    return msgspec.json.encode(
        Payload(
            id=str(event_id),
            type=event,
            created_at=rfc3339(created_at),
            team_id=str(team_id),
            data=dict(data),
        )
    )


def make_secret() -> str:
    """Draw a signing secret; the whole text is the key of the HMAC."""
    return f"whs_{secrets.token_hex(32)}"


def signature(body: bytes, *, live_secrets: Sequence[str], at_s: int) -> str:
    """Sign time and raw body, once for every live secret: `t=<unix seconds>,v1=<hex>,…`."""
    signed = f"{at_s}.".encode() + body
    marks = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in live_secrets]
    return ",".join([f"t={at_s}", *(f"v1={mark}" for mark in marks)])


def delay_after_s(tries: int) -> float | None:
    """Seconds until the next try after this many failed ones, ±20 %; None when it was the last."""
    if tries >= MAX_TRIES:
        return None
    return _DELAYS_S[tries - 1] * random.uniform(1 - _JITTER, 1 + _JITTER)
