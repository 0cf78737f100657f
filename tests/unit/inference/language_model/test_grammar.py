"""L2: the integer ranges of the grammar, exhaustively."""

import re

import pytest

from inference.language_model.grammar import whole_numbers

RANGES = [(30, 300), *((10, high) for high in (*range(10, 40), 99, 100, 101, 119, 120, 240, 599, 600))]


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_a_range_matches_its_numbers_only(low: int, high: int) -> None:
    pattern = re.compile(whole_numbers(low, high))
    assert [n for n in range(1001) if pattern.fullmatch(str(n))] == list(range(low, high + 1))
    assert not any(pattern.fullmatch(f"0{n}") for n in range(low, high + 1))
