"""What a key looks like, what it may do, and how it is compared."""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from enum import StrEnum

PREFIX_CHARS = 12
"""The visible part of a key."""

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_CHARS = 43  # 62**43 > 2**256
_CHECKSUM_CHARS = 6
_FORM = re.compile(rf"(ace_[0-9A-Za-z]{{{_RANDOM_CHARS}}})_([0-9A-Za-z]{{{_CHECKSUM_CHARS}}})", re.ASCII)


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


def make_key() -> str:
    """Draw a new key, `ace_<43 base62>_<6 checksum>`."""
    body = "ace_" + "".join(secrets.choice(_BASE62) for _ in range(_RANDOM_CHARS))
    return f"{body}_{_checksum(body)}"


def is_well_formed(key: str) -> bool:
    """Whether form and checksum fit: told offline, so that no mistyped key reaches the database."""
    match = _FORM.fullmatch(key)
    return match is not None and _checksum(match[1]) == match[2]


def key_digest(key: bytes, pepper: bytes) -> bytes:
    """Return the keyed SHA-256 of a key: what is stored, looked up and compared."""
    return hmac.digest(pepper, key, hashlib.sha256)


def _checksum(body: str) -> str:
    """CRC32 in base62: an aid against typing errors and for secret scanners, no protection."""
    number, text = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM_CHARS):
        number, digit = divmod(number, len(_BASE62))
        text = _BASE62[digit] + text
    return text
