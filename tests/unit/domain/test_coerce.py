import time
from typing import Any

import pytest

from app.domain.coerce import to_bool, to_float, to_int, to_text
from app.domain.errors import ValidationError


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (7, 7),
        (True, 1),
        (False, 0),
        ("90", 90),
        (" 90 ", 90),
        ("-3", -3),
        (128.0, 128),
        ("128.0", 128),
        ("1e2", 100),
        ("9007199254740993", 9007199254740993),
        ("", None),
        ("  ", None),
        ("abc", None),
        (120.7, None),
        ("120.7", None),
        ("1_000", None),
        ("٣", None),
        ("9" * 5000, None),
        ([1], None),
        ({"a": 1}, None),
        (float("inf"), None),
        (None, None),
    ],
)
def test_whole_numbers(given: Any, read: int | None) -> None:
    assert to_int(given) == read


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (7, 7.0),
        (True, 1.0),
        ("33.5", 33.5),
        (" .5 ", 0.5),
        ("1e-3", 0.001),
        ("", None),
        ("nan", None),
        (float("nan"), None),
        ("inf", None),
        ("-Infinity", None),
        ("1e999", None),
        (10**400, None),
        ("1,5", None),
        ([], None),
    ],
)
def test_numbers(given: Any, read: float | None) -> None:
    assert to_float(given) == read


@pytest.mark.parametrize("given", [True, "1", "true", " YES ", "y", "On", 1])
def test_yes(given: Any) -> None:
    assert to_bool(given) is True


@pytest.mark.parametrize("given", [False, "0", "false", "no", "mp3", "2", 0, 5, [True], {"a": 1}])
def test_no(given: Any) -> None:
    assert to_bool(given) is False


@pytest.mark.parametrize("given", ["", "  "])
def test_a_blank_yes_or_no_says_nothing(given: str) -> None:
    assert to_bool(given) is None


@pytest.mark.parametrize(
    ("given", "read"), [(" a ", " a "), (5, "5"), (1.5, "1.5"), (True, "true"), (False, "false")]
)
def test_text(given: Any, read: str) -> None:
    assert to_text(given, "prompt") == read


@pytest.mark.parametrize("given", [[], {}, ["a"]])
def test_arrays_and_objects_are_no_text(given: Any) -> None:
    with pytest.raises(ValidationError, match="prompt must be a text"):
        to_text(given, "prompt")


@pytest.mark.parametrize("text", ["0" * 2_000_000 + "x", "0" * 5000, "9" * 100_000, "1" * 64 + "e" * 64])
def test_a_long_text_is_judged_at_once(text: str) -> None:
    begun = time.perf_counter()
    assert to_int(text) is None
    assert to_float(text) is None
    assert time.perf_counter() - begun < 0.1
