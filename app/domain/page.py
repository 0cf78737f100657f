"""One page of a list that is read by keyset: its cost does not grow with its depth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Some items, and the one after which the next page begins; None at the end."""

    items: Sequence[T]
    next_after: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered(Generic[T]):
    """A stored thing with its internal number."""

    number: int
    item: T


def page_of(found: Sequence[T], limit: int, name: Callable[[T], UUID]) -> Page[T]:
    """Make a page of at most `limit` items from a read of one more; `name` tells them apart."""
    shown = found[:limit]
    return Page(items=shown, next_after=name(shown[-1]) if len(found) > limit else None)
