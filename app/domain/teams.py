"""Teams and their limits: what they are, what values they may have, and what makes them wider."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domain.errors import ForbiddenError, ValidationError

MAX_NAME_CHARS = 64
MOST_MODELS = 100
# Lowest and highest of each number. Days that no calendar reaches would stop tasks from finishing.
_RANGES: Mapping[str, tuple[float, float]] = {
    "max_queued": (0, 2**31 - 1),
    "max_running": (0, 2**31 - 1),
    "max_priority": (-10, 10),
    "weight": (0.001, 1000),
    "daily_audio_seconds": (0, 2**31 - 1),
    "monthly_audio_seconds": (0, 2**31 - 1),
    "audio_retention_days": (0, 36_500),
    "record_retention_days": (0, 36_500),
}
_NEVER_NULL = ("name", "max_priority", "weight", "disabled")


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


LIMITS = tuple(TeamLimits.__dataclass_fields__)
TEAM_FIELDS = ("name", *LIMITS, "disabled")
"""What of a team can be given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Team(TeamLimits):
    """A tenant of the service."""

    id: UUID
    name: str
    disabled: bool
    created_at: datetime


def read_team(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Read the given fields of a team; those that are not given are absent.

    Raises:
        ValidationError: a field that a team does not have, or a value that it cannot have.
    """
    unknown = next((name for name in fields if name not in TEAM_FIELDS), None)
    if unknown is not None:
        raise ValidationError(f"a team has no field {unknown[:40]}")
    return {name: _read(name, value) for name, value in fields.items()}


def check_narrower(team: Team, change: Mapping[str, Any]) -> None:
    """Return if a change leaves a team with no more than it has.

    Raises:
        ForbiddenError: with the first field that only an admin may change so.
    """
    for name, value in change.items():
        if name not in LIMITS or not _is_within(value, getattr(team, name)):
            raise ForbiddenError(
                f"{name}: only an admin key may change it so; a team can lower its own limits"
            )


def check_name(name: Any, what: str) -> str:
    """Return the name of a team or a key.

    Raises:
        ValidationError: nothing that people could read and type.
    """
    if (
        not isinstance(name, str)
        or not name.strip()
        or name != name.strip()
        or len(name) > MAX_NAME_CHARS
        or not name.isprintable()
    ):
        raise ValidationError(f"{what}: 1 to {MAX_NAME_CHARS} printable characters, no blanks around them")
    return name


def _read(name: str, value: Any) -> Any:
    if value is None and name not in _NEVER_NULL:
        return None
    if name == "name":
        return check_name(value, "team name")
    if name == "disabled":
        if not isinstance(value, bool):
            raise ValidationError("disabled: must be true or false")
        return value
    if name == "allowed_models":
        return _read_models(value)
    return _read_number(name, value)


def _read_number(name: str, value: Any) -> int | float:
    lowest, highest = _RANGES[name]
    kinds = int | float if name == "weight" else int
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise ValidationError(f"{name}: must be a {'' if name == 'weight' else 'whole '}number")
    if not lowest <= value <= highest:
        raise ValidationError(f"{name}: must be {lowest:g} to {highest:g}")
    return value


def _read_models(value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > MOST_MODELS:
        raise ValidationError(f"allowed_models: must be a list of at most {MOST_MODELS} names, or null")
    return sorted({check_name(name, "allowed_models") for name in value})


def _is_within(value: Any, held: Any) -> bool:
    """Whether a limit is at most the one that is held; None is none at all."""
    if held is None:
        return True
    if isinstance(held, list):
        return value is not None and set(value) <= set(held)
    return value is not None and value <= held
