"""Keys of teams as they are stored and listed, and what may be said of one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.domain.errors import ValidationError
from app.domain.keys import ALL_SCOPES

_LAST = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A stored key; the key itself is not stored, so it cannot be shown again.

    `team_id` is the one of the wire, `team` the team's name.
    """

    id: UUID
    team_id: UUID
    team: str
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    created_by: str | None
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None

    @property
    def state(self) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at and self.expires_at <= datetime.now(UTC) else "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key at the only moment at which its text exists."""

    text: str = field(repr=False)
    key: Key


def read_scopes(value: Any) -> list[str]:
    """Read a list of rights.

    Raises:
        ValidationError: none, or one that does not exist.
    """
    known = ", ".join(sorted(ALL_SCOPES))
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise ValidationError(f"scopes: must be a list of at least one of {known}")
    unknown = sorted({str(scope)[:40] for scope in value if str(scope) not in ALL_SCOPES})
    if unknown:
        raise ValidationError(f"unknown scope {', '.join(unknown)}; known: {known}")
    return sorted(set(value))


def read_expiry(value: Any) -> datetime | None:
    """Read a time in the future, RFC 3339 with its zone; None = never.

    Raises:
        ValidationError: anything else.
    """
    if value is None:
        return None
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValidationError("expires_at: must be a time such as 2030-01-31T12:00:00Z") from None
    if time.tzinfo is None:
        raise ValidationError("expires_at: needs a time zone, such as the Z of 2030-01-31T12:00:00Z")
    if not datetime.now(UTC) < time < _LAST:
        raise ValidationError("expires_at: must be a time to come")
    return time.astimezone(UTC)
