"""Lists by keyset: how much is asked for, and a sealed cursor that says where to go on."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.api.context import HttpRequest, context_of
from app.domain import coerce
from app.domain.cursor import Cursors
from app.domain.errors import ValidationError
from app.domain.page import Page

LIST_QUERY = ("limit", "cursor")
_DEFAULT_LIMIT, _MAX_LIMIT = 50, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which part of a list is asked for; `after` None = from its beginning."""

    limit: int
    after: UUID | None


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
    after = None if cursor is None else _cursors(request).read(cursor, about.encode())
    return Window(limit=limit, after=after)


def shown(request: HttpRequest, page: Page[Any], about: str) -> dict[str, Any]:
    """Return `next_cursor` and `has_more` of a page."""
    after = page.next_after
    cursor = None if after is None else _cursors(request).make(after, about.encode())
    return {"next_cursor": cursor, "has_more": after is not None}


def _cursors(request: HttpRequest) -> Cursors:
    return Cursors(context_of(request).config.key_pepper)
