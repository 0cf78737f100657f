"""Seeds: read the client's wish, and draw the rest once, at submission."""

import math
import secrets
from collections.abc import Sequence
from typing import Any

from app.domain.coerce import to_float
from app.domain.params import MAX_BATCH

SEED_RANGE = 2**32
"""Seeds are 0 to 2**32 - 1."""

_MOST_READ = MAX_BATCH + 1


def parse_wish(value: Any) -> list[int | None]:
    """Read a number, a list, or text with commas; None in the result means "draw one at this place".

    -1, blank and junk are drawn; fractions are cut; numbers are taken modulo 2**32. Of a long list only one
    more than the largest batch is read: enough to tell that there is a surplus.
    """
    if isinstance(value, str):
        items: Sequence[Any] = value.split(",", _MOST_READ)
    elif isinstance(value, list | tuple):
        items = value
    else:
        items = [value]
    return [_parse_seed(item) for item in items[:_MOST_READ]]


def draw(wish: Sequence[int | None], batch_size: int, *, use_random: bool = False) -> tuple[list[int], int]:
    """Return one seed per clip and the seed of the language model, which is that of the first clip.

    So a client who sends the seeds of a result again gets the same plan too, and with it the same clips.

    Args:
        wish: wanted seeds by place; missing and None ones are drawn, a surplus is ignored.
        use_random: draw all of them.
    """
    wanted = [] if use_random else list(wish[:batch_size])
    wanted += [None] * (batch_size - len(wanted))
    seeds = [secrets.randbelow(SEED_RANGE) if seed is None else seed for seed in wanted]
    return seeds, seeds[0]


def _parse_seed(value: Any) -> int | None:
    number: int | None
    if isinstance(value, int):
        number = int(value)
    elif isinstance(value, str) and value.strip().lstrip("+-").isdecimal() and value.strip().isascii():
        number = _whole(value.strip())
    else:
        fraction = to_float(value)
        number = None if fraction is None else math.trunc(fraction)
    return None if number is None or number == -1 else number % SEED_RANGE


def _whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:  # "+-5", or more digits than Python converts
        return None
