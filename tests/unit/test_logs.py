"""No secret reaches a log line, whatever way it takes."""

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from app.domain.keys import make_key
from app.domain.log_fields import log_fields
from app.logs import JsonFormatter, RedactingFormatter, configure, redacted

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
        record = logging.LogRecord("acestep", logging.ERROR, "x.py", 1, "failed", (), sys.exc_info())
    text = RedactingFormatter(["sk-configured"]).format(record)
    assert "Traceback" in text
    assert "sk-configured" not in text


def test_fields_follow_the_event() -> None:
    assert line("task finished", task_id="t", seconds=1.5).endswith("task finished task_id=t seconds=1.5")


def json_line(message: str, *args: object, **extra: object) -> dict[str, Any]:
    record = logging.LogRecord("acestep", logging.INFO, "x.py", 1, message, args, None)
    record.__dict__.update(extra)
    text = JsonFormatter(["sk-configured", 'sk-with"quote']).format(record)
    assert "\n" not in text
    content: dict[str, Any] = json.loads(text)
    return content


def test_a_json_line_has_the_event_and_its_fields() -> None:
    line = json_line("task %s", "finished", seconds=1.5, task_id=UUID(int=1), retry=True, reason=None)
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {
        "level": "info",
        "logger": "acestep",
        "event": "task finished",
        "seconds": 1.5,
        "task_id": str(UUID(int=1)),
        "retry": True,
        "reason": None,
    }


def test_a_json_line_holds_no_secret() -> None:
    line = json_line(
        "used sk-configured",
        given='sk-with"quote',
        found=KEY,
        ai_token="other-secret",
        url="http://u:p@host/",
    )
    for secret in ("sk-configured", "quote", KEY[12:30], "other-secret", "u:p@"):
        assert secret not in json.dumps(line)
    assert line["url"] == "http://u:***@host/"


def test_a_traceback_is_part_of_the_json_line() -> None:
    try:
        raise ValueError("bad sk-configured")
    except ValueError:
        record = logging.LogRecord("acestep", logging.ERROR, "x.py", 1, "failed", (), sys.exc_info())
    line = json.loads(JsonFormatter(["sk-configured"]).format(record))
    assert "Traceback" in line["traceback"]
    assert "sk-configured" not in line["traceback"]


async def test_the_work_at_hand_names_itself_in_every_line() -> None:
    async def elsewhere() -> str:
        return line("written by somebody else", step=1)

    with log_fields(task_id="t", attempt=1):
        with log_fields(attempt=2):
            inner = await asyncio.create_task(elsewhere())
        outer = line("again", attempt=3)
    assert inner.endswith("written by somebody else task_id=t attempt=2 step=1")
    assert outer.endswith("again task_id=t attempt=3"), "what a line says itself wins"
    assert line("after").endswith("after")


@pytest.fixture
def _log_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers = root.handlers[:]
    yield
    root.handlers[:] = handlers
    configure("info")
    root.handlers[:] = handlers


@pytest.mark.usefixtures("_log_as_before")
def test_what_is_stored_goes_through_the_same_filter(capsys: pytest.CaptureFixture[str]) -> None:
    configure("debug", secrets=iter(["sk-configured"]))
    assert redacted(f"raise Broken('sk-configured', '{KEY}')") == "raise Broken('***', 'ace_***')"
    assert "level debug: texts of users can reach the log" in capsys.readouterr().err
