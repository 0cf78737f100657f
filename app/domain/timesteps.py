"""A client's own diffusion schedule."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from app.domain.coerce import is_blank, to_float
from app.domain.errors import ValidationError

MAX_TIMESTEPS = 200


def parse_timesteps(value: Any) -> list[float] | None:
    """Read text with commas or a list; None if there is no item at all.

    A trailing 0 is the end point, which every schedule has, and is cut.

    Raises:
        ValidationError: no numbers, outside 0 to 1, not strictly falling, or not 1 to 200 of them.
    """
    items: Sequence[Any] = value if isinstance(value, list | tuple) else str(value).split(",")
    items = [item for item in items if not is_blank(item)]
    if not items:
        return None
    if len(items) > MAX_TIMESTEPS + 1:
        raise ValidationError(f"timesteps must be at most {MAX_TIMESTEPS} numbers, not {len(items)}")
    steps = [_parse_step(item) for item in items]
    if any(after >= before for before, after in pairwise(steps)):
        raise ValidationError("timesteps must be strictly decreasing")
    if steps[-1] == 0:
        steps.pop()
    if not 1 <= len(steps) <= MAX_TIMESTEPS:
        raise ValidationError(f"timesteps must be 1 to {MAX_TIMESTEPS} numbers above 0, not {len(steps)}")
    return steps


def _parse_step(item: Any) -> float:
    step = None if isinstance(item, bool) else to_float(item)
    if step is None or not 0 <= step <= 1:
        raise ValidationError("timesteps must be numbers from 0 to 1")
    return step
