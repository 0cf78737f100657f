"""No secret reaches a log line, whatever way it takes."""

import logging

import pytest

from app.domain.keys import make_key
from app.logs import RedactingFormatter

KEY = make_key()


def line(message: str, *args: object, **extra: object) -> str:
    record = logging.LogRecord("acestep", logging.INFO, "x.py", 1, message, args, None)
    record.__dict__.update(extra)
    return RedactingFormatter(["sk-configured"]).format(record)


@pytest.mark.parametrize(
    "text",
    [
        line("key sk-configured was used"),
        line("value %s", "sk-configured"),
        line("event", given="sk-configured"),
        line(f"found {KEY}"),
        line(f"found {KEY}_and more"),
        line("Authorization: Bearer sk-configured"),
        line("headers {'authorization': 'Bearer other-secret'}"),
        line('{"ai_token": "other-secret", "prompt": "x"}'),
        line("connect to postgresql://user:other-secret@host/db"),
    ],
)
def test_secrets_are_replaced(text: str) -> None:
    assert "sk-configured" not in text
    assert "other-secret" not in text
    assert KEY[12:30] not in text
    assert KEY[-6:] not in text
    assert "***" in text


def test_a_traceback_is_redacted_too() -> None:
    try:
        raise ValueError("bad sk-configured")
    except ValueError:
        import sys

        record = logging.LogRecord("acestep", logging.ERROR, "x.py", 1, "failed", (), sys.exc_info())
    text = RedactingFormatter(["sk-configured"]).format(record)
    assert "Traceback" in text
    assert "sk-configured" not in text


def test_fields_follow_the_event() -> None:
    assert line("task finished", task_id="t", seconds=1.5).endswith("task finished task_id=t seconds=1.5")
