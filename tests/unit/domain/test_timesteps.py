from typing import Any

import pytest

from app.domain.errors import ValidationError
from app.domain.timesteps import parse_timesteps


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        ("0.97,0.76,0.5,0", [0.97, 0.76, 0.5]),
        ("0.97, 0.76,,0.5", [0.97, 0.76, 0.5]),
        ([1, 0.5, 0], [1.0, 0.5]),
        (["0.9", " 0.1 ", None, ""], [0.9, 0.1]),
        (0.5, [0.5]),
        ("", None),
        (" , ", None),
        ([], None),
    ],
)
def test_readable_schedules(given: Any, steps: list[float] | None) -> None:
    assert parse_timesteps(given) == steps


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("0.5,0.9", "decreasing"),
        ("0.5,0.5", "decreasing"),
        ("0.5,0,0", "decreasing"),
        ("1.1,0.5", "0 to 1"),
        ("0.5,-0.1", "0 to 1"),
        ("0.5,x", "0 to 1"),
        ("nan", "0 to 1"),
        ([True], "0 to 1"),
        ([[0.5]], "0 to 1"),
        ({"a": 1}, "0 to 1"),
        ("0", "1 to 200"),
        ([1 - i / 1000 for i in range(201)], "1 to 200"),
        ([1 - i / 1000 for i in range(300)], "at most 200"),
    ],
)
def test_refused_schedules(given: Any, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        parse_timesteps(given)


def test_two_hundred_steps_and_the_end_point_are_allowed() -> None:
    steps = [1 - i / 1000 for i in range(200)]
    assert parse_timesteps([*steps, 0]) == steps
