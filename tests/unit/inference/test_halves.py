from collections.abc import Sequence

import pytest

from inference.errors import OutOfMemory
from inference.halves import in_halves_if_needed
from inference.request import ItemSpec


def some_items(count: int) -> list[ItemSpec]:
    return [ItemSpec(prompt="", lyrics="", seed=seed) for seed in range(count)]


def seeds_of_at_most(most: int, items: Sequence[ItemSpec]) -> list[int]:
    if len(items) > most:
        raise OutOfMemory("too large")
    return [item.seed for item in items]


def test_a_batch_that_fits_runs_at_once() -> None:
    freed: list[str] = []
    run = in_halves_if_needed(
        lambda items: seeds_of_at_most(8, items), some_items(5), free_memory=lambda: freed.append("freed")
    )
    assert (run, freed) == ([[0, 1, 2, 3, 4]], [])


def test_a_batch_too_large_for_the_memory_runs_in_two_halves() -> None:
    freed: list[str] = []
    run = in_halves_if_needed(
        lambda items: seeds_of_at_most(3, items), some_items(5), free_memory=lambda: freed.append("freed")
    )
    assert (run, freed) == ([[0, 1], [2, 3, 4]], ["freed"])


@pytest.mark.parametrize(("items", "most"), [(1, 0), (8, 3)])
def test_a_half_or_a_single_item_too_large_is_an_error(items: int, most: int) -> None:
    with pytest.raises(OutOfMemory):
        in_halves_if_needed(
            lambda part: seeds_of_at_most(most, part), some_items(items), free_memory=lambda: None
        )
