"""What a client may change of a task, read strictly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.controls import HIGHEST_PRIORITY, LOWEST_PRIORITY, parse_labels
from app.domain.errors import ValidationError

FIELDS = ("priority", "labels", "legal_hold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """New values; None leaves a field as it is."""

    priority: int | None = None
    labels: Mapping[str, str] | None = None
    legal_hold: bool | None = None


def read_changes(fields: Mapping[str, Any]) -> Changes:
    """Read the fields that are there; others of the body are not looked at.

    Raises:
        ValidationError: a wrong value, or no field at all.
    """
    if not any(name in fields for name in FIELDS):
        raise ValidationError(f"nothing to change: send one of {', '.join(FIELDS)}")
    return Changes(
        priority=_priority(fields["priority"]) if "priority" in fields else None,
        labels=_labels(fields["labels"]) if "labels" in fields else None,
        legal_hold=_legal_hold(fields["legal_hold"]) if "legal_hold" in fields else None,
    )


def _priority(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValidationError("priority must be a whole number")
    if not LOWEST_PRIORITY <= value <= HIGHEST_PRIORITY:
        raise ValidationError(f"priority must be {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}")
    return value


def _labels(value: Any) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise ValidationError("labels must be an object")
    return parse_labels(value)


def _legal_hold(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValidationError("legal_hold must be true or false")
    return value
