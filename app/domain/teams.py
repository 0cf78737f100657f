"""Teams and their keys, as operators see them."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamLimits:
    """What a team may use; None means no limit, for models: all of them.

    `weight` is its share where teams compete for workers.
    """

    max_queued: int | None = None
    max_running: int | None = None
    max_priority: int = 0
    weight: float = 1.0
    daily_audio_seconds: int | None = None
    monthly_audio_seconds: int | None = None
    allowed_models: list[str] | None = None
    audio_retention_days: int | None = None
    record_retention_days: int | None = None

    def columns(self) -> dict[str, Any]:
        """The limits by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Team(TeamLimits):
    """A tenant of the service."""

    id: UUID
    name: str
    disabled: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A stored key; the key itself is not stored, so it cannot be shown again."""

    id: UUID
    team: str
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    created_by: str | None
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
