"""Parameter values while a request is being read, with a record of every change made to them."""

from collections.abc import Mapping
from typing import Any

from app.domain.task import Adjustment

_SHOWN_CHARS = 200


class Draft:
    """Values on their way from "as received" to "as used"."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given
        self.values: dict[str, Any] = {}
        self.adjustments: list[Adjustment] = []

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def is_given(self, name: str) -> bool:
        """Whether the client sent a value that is neither null nor blank."""
        value = self.given.get(name)
        return value is not None and not (isinstance(value, str) and not value.strip())

    def change(self, name: str, used: Any, reason: str) -> None:
        """Use another value than the one given, and record it."""
        self.note(name, self.given.get(name, self.values[name]), used, reason)
        self.values[name] = used

    def note(self, name: str, given: Any, used: Any, reason: str) -> None:
        """Record that a value was not used as given."""
        self.adjustments.append(Adjustment(field=name, given=_shown(given), used=_shown(used), reason=reason))


def _shown(value: Any) -> Any:
    """Shorten long values: the record explains a change, the raw request keeps the whole value."""
    if isinstance(value, Mapping | list | tuple):
        value = list(value) if isinstance(value, tuple) else value
        text = str(value)
        return value if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
    if isinstance(value, str) and len(value) > _SHOWN_CHARS:
        return value[:_SHOWN_CHARS] + "…"
    return value
