"""Metering: what can be asked for, and what is answered."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from app.domain.task import TeamId

GROUPS = ("day", "team", "key", "model")
"""What rows can be grouped by, one or two at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuery:
    """Which usage is meant; None = no such limit.

    Attributes:
        owner: the team that asks, None for an admin, who sees all of them.
        first, last: UTC days, both included.
        team, key_id: ids of the wire.
    """

    owner: TeamId | None
    first: date
    last: date
    group_by: tuple[str, ...] = ("day",)
    team: UUID | None = None
    key_id: UUID | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """What tasks of one group have used.

    Attributes:
        groups: one value for each part of `group_by`; the key is None where there was none.
        succeeded, failed, cancelled: tasks by their end; failed ones used seconds, too.
        audio_seconds, stored_bytes: of succeeded tasks.
        gpu_seconds: of all attempts.
        average_run_seconds: last attempts of tasks that ended while they ran; None without any.
        average_wait_seconds: of the same tasks, up to their first start.
    """

    groups: tuple[str | None, ...]
    succeeded: int
    failed: int
    cancelled: int
    audio_seconds: float
    gpu_seconds: float
    stored_bytes: int
    average_run_seconds: float | None
    average_wait_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A kept sum that differs from what its rows say; `counted` minus `kept` is the difference."""

    what: str
    difference: float
