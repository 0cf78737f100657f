"""Takes a client's key out of a request before it is stored."""

import re
from typing import Any

from app.domain.aliases import TOKEN_FIELD

# Carriers may come as JSON text, and keys in fields of any name.
_TOKEN = re.compile(rf"""(["']{TOKEN_FIELD}\\?["']\s*:\s*\\?["'])[^"'\\]*""")
_KEY = re.compile(r"ace_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}")


def without_credentials(value: Any) -> Any:
    """Return the value without `ai_token`, at any depth and in JSON text inside it, and without keys."""
    if isinstance(value, dict):
        return {name: without_credentials(item) for name, item in value.items() if name != TOKEN_FIELD}
    if isinstance(value, list):
        return [without_credentials(item) for item in value]
    if isinstance(value, str):
        return _KEY.sub("ace_***", _TOKEN.sub(r"\1***", value))
    return value
