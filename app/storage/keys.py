"""Object keys: a closed alphabet, so that a key can never leave the store."""

import re

from app.domain.errors import ValidationError

# No part begins with a dot: that excludes `.` and `..`, and leaves such names to the stores themselves.
_PART = r"[a-z0-9_-][a-z0-9_.-]*"
_KEY = re.compile(rf"{_PART}(?:/{_PART})*")
LONGEST_KEY = 255


def check_key(key: str) -> str:
    """Return the key if it is one.

    Raises:
        ValidationError: wrong characters, an empty part, a part that begins with a dot, or too long.
    """
    if len(key) > LONGEST_KEY or not _KEY.fullmatch(key):
        raise ValidationError("not a valid object key")
    return key
