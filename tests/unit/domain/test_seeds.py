from typing import Any

import pytest

from app.domain.seeds import SEED_RANGE, draw, parse_wish


@pytest.mark.parametrize(
    ("given", "wish"),
    [
        ("7, x,-1,8.9", [7, None, None, 8]),
        (5, [5]),
        (5.0, [5]),
        ("5", [5]),
        (-1, [None]),
        ("-1", [None]),
        ("", [None]),
        ([1, "2", -1, "", None, "x", 3.0], [1, 2, None, None, None, None, 3]),
        (SEED_RANGE, [0]),
        (SEED_RANGE + 5, [5]),
        (str(SEED_RANGE * 2**40 + 5), [5]),
        (-2, [SEED_RANGE - 2]),
        ("+7", [7]),
        ("+-7", [None]),
        ("1" * 5000, [None]),
        (float("inf"), [None]),
        ({"a": 1}, [None]),
        ([[1]], [None]),
    ],
)
def test_wish(given: Any, wish: list[int | None]) -> None:
    assert parse_wish(given) == wish


def test_a_very_long_list_is_read_only_as_far_as_needed() -> None:
    assert len(parse_wish([1] * 100_000)) == 9
    assert len(parse_wish("1," * 100_000)) == 9


def test_wanted_seeds_keep_their_places() -> None:
    seeds, lm_seed = draw([7, None, None, 8], 4)
    assert (seeds[0], seeds[3]) == (7, 8)
    assert all(0 <= seed < SEED_RANGE for seed in seeds)
    assert lm_seed == 7, "the same seeds give the same plan"


def test_missing_seeds_are_drawn_and_a_surplus_is_ignored() -> None:
    assert draw([7, 8, 9], 2)[0] == [7, 8]
    seeds, _ = draw([7], 3)
    assert seeds[0] == 7
    assert len(seeds) == 3


def test_drawn_seeds_differ() -> None:
    drawn = {seed for _ in range(8) for seed in draw([], 8)[0]}
    assert len(drawn) > 60


def test_random_ignores_the_wish() -> None:
    assert any(draw([7], 1, use_random=True)[0] != [7] for _ in range(3))
