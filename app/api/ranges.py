"""Conditional requests and byte ranges of a stored file (RFC 9110, sections 13 and 14)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.errors import RangeNotSatisfiableError

_ONE_RANGE = re.compile(r"bytes=\s*(\d*)\s*-\s*(\d*)\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The bytes to send, `start` to `end`, end exclusive; `status` is 200, 206 or 304."""

    status: int
    start: int
    end: int


def choose_part(
    headers: Mapping[str, str], *, is_get: bool, size_bytes: int, etag: str, last_modified: str
) -> Part:
    """Decide what a request for a file gets.

    Several ranges, other units and malformed ranges give the whole file. HEAD ignores ranges.

    Args:
        headers: request headers by lower-case name.
        etag: strong tag with its quotes.
        last_modified: HTTP date.

    Raises:
        RangeNotSatisfiableError: the range begins behind the end of the file.
    """
    if _has_tag(headers.get("if-none-match"), etag):
        return Part(status=304, start=0, end=0)
    whole = Part(status=200, start=0, end=size_bytes)
    wanted = headers.get("range")
    if not is_get or wanted is None or headers.get("if-range", etag) not in (etag, last_modified):
        return whole
    match = _ONE_RANGE.fullmatch(wanted.strip())
    if match is None or match.groups() == ("", ""):
        return whole
    first, last = match.groups()
    if not first:
        start, end = max(size_bytes - _number(last), 0), size_bytes
    else:
        start, end = _number(first), min(_number(last) + 1, size_bytes) if last else size_bytes
        if last and _number(last) < start:
            return whole
    if start >= size_bytes:
        raise RangeNotSatisfiableError(size_bytes)
    return Part(status=206, start=start, end=end)


def _number(digits: str) -> int:
    # Longer than any file, and short enough for int().
    return int(digits.lstrip("0")[:20] or "0")


def _has_tag(if_none_match: str | None, etag: str) -> bool:
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or "*" in tags
