"""What a key may do, and how it is compared."""

import hashlib
import hmac
from enum import StrEnum


class Scope(StrEnum):
    """One right of a key; `admin` implies all of them, in all teams."""

    TASKS_WRITE = "tasks:write"
    TASKS_READ = "tasks:read"
    TASKS_CANCEL = "tasks:cancel"
    TASKS_DELETE = "tasks:delete"
    AUDIO_READ = "audio:read"
    STATS_READ = "stats:read"
    USAGE_READ = "usage:read"
    TEAM_MANAGE = "team:manage"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)
OPEN_SCOPES = ALL_SCOPES - {Scope.TEAM_MANAGE, Scope.ADMIN}
"""Without keys: a web page in the operator's browser must not be able to make the first key."""


def key_digest(key: bytes, pepper: bytes) -> bytes:
    """Return the keyed SHA-256 of a key: what is stored, looked up and compared."""
    return hmac.digest(pepper, key, hashlib.sha256)
