"""Lists by keyset: how much is asked for, and a signed cursor that says where to go on."""

import hashlib
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from dataclasses import dataclass
from typing import Any

from app.api.context import HttpRequest, context_of
from app.domain import coerce
from app.domain.errors import ValidationError
from app.domain.page import Page

LIST_QUERY = ("limit", "cursor")
_DEFAULT_LIMIT, _MAX_LIMIT = 50, 200
_NUMBER = struct.Struct(">q")
_SIGNATURE_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which part of a list is asked for; `after` None = from its beginning."""

    limit: int
    after: int | None


def window_of(request: HttpRequest, about: str) -> Window:
    """Read `limit` and `cursor`.

    Args:
        about: names list and filters; a cursor of another one is refused.

    Raises:
        ValidationError: a limit out of range, or a cursor that was not given out for this list.
    """
    limit = coerce.to_int(request.query_params.get("limit", _DEFAULT_LIMIT))
    if limit is None or not 1 <= limit <= _MAX_LIMIT:
        raise ValidationError(f"limit must be 1 to {_MAX_LIMIT}")
    cursor = request.query_params.get("cursor")
    return Window(limit=limit, after=None if cursor is None else _read(request, cursor, about))


def shown(request: HttpRequest, page: Page[Any], about: str) -> dict[str, Any]:
    """Return `next_cursor` and `has_more` of a page."""
    after = page.next_after
    return {
        "next_cursor": None if after is None else _write(request, after, about),
        "has_more": after is not None,
    }


def _write(request: HttpRequest, number: int, about: str) -> str:
    packed = _NUMBER.pack(number)
    return urlsafe_b64encode(packed + _sign(request, packed, about)).decode().rstrip("=")


def _read(request: HttpRequest, cursor: str, about: str) -> int:
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (Error, ValueError):
        raw = b""
    packed, signature = raw[: _NUMBER.size], raw[_NUMBER.size :]
    if len(packed) != _NUMBER.size or not hmac.compare_digest(signature, _sign(request, packed, about)):
        raise ValidationError("cursor: not one that this list gave out")
    number: int = _NUMBER.unpack(packed)[0]
    return number


def _sign(request: HttpRequest, packed: bytes, about: str) -> bytes:
    key = hmac.digest(context_of(request).config.key_pepper, b"cursor", hashlib.sha256)
    return hmac.digest(key, packed + about.encode(), hashlib.sha256)[:_SIGNATURE_BYTES]
