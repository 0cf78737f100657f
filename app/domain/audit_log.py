"""Who changed what of the service itself: teams, keys, queue and workers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.wire_json import rfc3339


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change.

    Attributes:
        number: its place in the log.
        actor: visible part of a key, `bootstrap`, or `cli:<user>`.
        object: kind and id, such as `team 1f0c…`.
        change: values by field; of a change `{"from": …, "to": …}`.
    """

    number: int
    at: datetime
    actor: str
    action: str
    object: str
    change: Mapping[str, Any]


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return old and new value of every field that differs, times as the wire writes them."""
    return {
        name: {"from": _plain(before[name]), "to": _plain(value)}
        for name, value in after.items()
        if value != before[name]
    }


def _plain(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value
