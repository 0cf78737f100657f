"""One page of a list that is read by keyset: its cost does not grow with its depth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Some items, and the number behind which the next page begins; None at the end."""

    items: Sequence[T]
    next_after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered(Generic[T]):
    """An item with its number in the order of the list."""

    number: int
    item: T


def page_of(found: Sequence[Numbered[T]], limit: int) -> Page[T]:
    """Make a page of at most `limit` items from a read of one more."""
    shown = found[:limit]
    return Page(
        items=[each.item for each in shown], next_after=shown[-1].number if len(found) > limit else None
    )
