"""JSON from clients, decoded within bounds that the rest of the service can rely on; times for them."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from app.domain.errors import ValidationError

MAX_DEPTH = 64


def decode_json(raw: bytes | str) -> Any:
    """Decode a JSON text.

    Raises:
        ValidationError: malformed, nested deeper than MAX_DEPTH, or holding the character U+0000.
    """
    data = raw.encode("utf-8", "replace") if isinstance(raw, str) else raw
    try:
        value = msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:  # msgspec's errors and broken UTF-8 are ValueErrors
        raise ValidationError("malformed JSON") from error
    # Counting brackets first spares ordinary texts the walk.
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and _is_deeper(value, MAX_DEPTH):
        raise ValidationError(f"JSON is nested deeper than {MAX_DEPTH} levels")
    # Postgres stores every character but this one, and requests are stored as received.
    if b"\\u0000" in data and "\x00" in _all_text(value):
        raise ValidationError("text must not contain the character U+0000")
    return value


def rfc3339(time: datetime) -> str:
    """Write an aware time as RFC 3339 in UTC, with milliseconds."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether a value has more than this many levels of arrays and objects."""
    layer = [value]
    for _ in range(levels):
        layer = [child for item in layer for child in _children(item)]
        if not layer:
            return False
    return any(isinstance(item, dict | list) for item in layer)


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _all_text(value: Any) -> str:
    """Return all names and texts of a value of bounded depth, joined."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "".join(name + _all_text(item) for name, item in value.items())
    return "".join(_all_text(item) for item in value) if isinstance(value, list) else ""
