"""The second try of an engine whose memory is too small for a batch: the same items in two halves."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from inference.errors import OutOfMemory

Item = TypeVar("Item")
T = TypeVar("T")


def in_halves_if_needed(
    run: Callable[[Sequence[Item]], T], items: Sequence[Item], *, free_memory: Callable[[], None]
) -> list[T]:
    """Run all items at once; if the memory is too small, once more in two halves (items are independent).

    Args:
        run: works on the items it is given.
        free_memory: drops what the failed run left behind.

    Returns:
        What `run` returned: one value, or two in the order of the items.

    Raises:
        OutOfMemory: for a single item or for a half.
    """
    try:
        return [run(items)]
    except OutOfMemory:
        if len(items) == 1:
            raise
    # Outside the handler: the error holds the frames of the failed run and with them its tensors.
    free_memory()
    half = len(items) // 2
    return [run(items[:half]), run(items[half:])]
