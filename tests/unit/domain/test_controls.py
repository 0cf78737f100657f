from typing import Any

import pytest

from app.domain.controls import parse_labels, parse_priority, parse_webhook_url
from app.domain.errors import ValidationError


@pytest.mark.parametrize(
    ("given", "most", "used", "is_recorded"),
    [
        (None, 10, 0, False),
        (3, 10, 3, False),
        ("3", 10, 3, False),
        (3, 0, 0, True),
        (-4, 0, -4, False),
        (99, 10, 10, True),
        (-99, 10, -10, True),
        ("x", 10, 0, True),
        (1.5, 10, 0, True),
    ],
)
def test_priority(given: Any, most: int, used: int, is_recorded: bool) -> None:
    priority, note = parse_priority(given, max_priority=most)
    assert (priority, note is not None) == (used, is_recorded)


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        (None, {}),
        ("", {}),
        ({"song": "one", "take": 2}, {"song": "one", "take": "2"}),
        ('{"song":"one"}', {"song": "one"}),
    ],
)
def test_labels(given: Any, labels: dict[str, str]) -> None:
    assert parse_labels(given) == labels


@pytest.mark.parametrize(
    "given",
    [
        ["a"],
        5,
        "{",
        "[]",
        {"a": ["b"]},
        {"": "x"},
        {"a": "x" * 257},
        {"n" * 65: "x"},
        {str(number): "x" for number in range(17)},
    ],
)
def test_refused_labels(given: Any) -> None:
    with pytest.raises(ValidationError):
        parse_labels(given)


def test_webhook_url() -> None:
    assert parse_webhook_url(" https://example.org/hook ", 1024) == "https://example.org/hook"
    assert parse_webhook_url(None, 1024) is None


@pytest.mark.parametrize(
    "given", ["example.org", "ftp://example.org", "https://", "https://[", {"a": 1}, "http://x/" + "a" * 1024]
)
def test_refused_webhook_urls(given: Any) -> None:
    with pytest.raises(ValidationError):
        parse_webhook_url(given, 1024)
