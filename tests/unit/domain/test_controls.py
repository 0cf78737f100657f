from typing import Any

import pytest

from app.domain.addresses import parse_networks
from app.domain.controls import parse_labels, parse_priority, parse_task_webhook
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
    def parse(value: Any) -> str | None:
        return parse_task_webhook(value, max_chars=1024, allow_http=False)

    assert parse(" https://example.org/hook ") == "https://example.org/hook"
    assert parse(None) is None
    private = ("https://127.0.0.1/hook", "https://[::ffff:10.0.0.1]/", "https://169.254.169.254/latest")
    for refused in ("http://example.org/hook", {"a": 1}, "https://x/" + "a" * 1024, *private):
        with pytest.raises(ValidationError, match="webhook_url"):
            parse(refused)


def test_a_webhook_may_go_where_the_operator_opened_the_network() -> None:
    opened = parse_networks("10.0.0.0/8")
    url = "https://10.1.2.3/hook"
    assert parse_task_webhook(url, max_chars=1024, allow_http=False, allowed=opened) == url
    with pytest.raises(ValidationError, match="webhook_url: the address is not allowed"):
        parse_task_webhook("https://127.0.0.1/", max_chars=1024, allow_http=False, allowed=opened)
