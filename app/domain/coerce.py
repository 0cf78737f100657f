"""Lenient reading of single values: what counts as a number, a yes, or a text."""

import math
import re
from typing import Any

from app.domain.errors import ValidationError

# ASCII only and no underscores: Python's own int() would take "1_000" and Arabic digits.
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# No number that means anything is longer; conversion costs more than linear time.
_MOST_CHARS = 64
_TRUE_WORDS = frozenset({"1", "true", "yes", "y", "on"})


def to_int(value: Any) -> int | None:
    """Read a whole number; None for blank, junk and fractions."""
    if isinstance(value, int):
        return int(value)
    number = to_float(value)
    if number is None or not number.is_integer():
        return None
    return _digits(value) if isinstance(value, str) else int(number)


def to_float(value: Any) -> float | None:
    """Read a finite number; None for blank, junk, NaN and infinities."""
    if isinstance(value, str):
        value = value.strip()
        if len(value) > _MOST_CHARS or not _NUMBER.fullmatch(value):
            return None
    elif not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def to_bool(value: Any) -> bool | None:
    """Read a yes or no; None for blank, and no for anything unknown."""
    if isinstance(value, bool):
        return value
    if isinstance(value, list | dict):
        return False
    word = str(value).strip().lower()
    return word in _TRUE_WORDS if word else None


def to_text(value: Any, field: str) -> str:
    """Read a text as it is; numbers and yes/no become text.

    Raises:
        ValidationError: an array or an object.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise ValidationError(f"{field} must be a text")


def is_blank(value: Any) -> bool:
    """Whether nothing was said: null, or a text of spaces."""
    return value is None or (isinstance(value, str) and not value.strip())


def _digits(text: str) -> int:
    # By way of float only where there is a point or an exponent: it would round long integers.
    text = text.strip()
    return int(text) if text.lstrip("+-").isdigit() else int(float(text))
