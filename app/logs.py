"""Logging of every process: one line an event, as text or as JSON, with its fields and without secrets."""

import logging
import re
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from app.domain.log_fields import current_log_fields
from app.domain.wire_json import rfc3339

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_PATTERNS = (
    (re.compile(r"ace_[0-9A-Za-z]{20,}(_[0-9A-Za-z]+)?"), "ace_***"),
    (re.compile(r"whs_[0-9a-f]{20,}"), "whs_***"),
    (re.compile(r"(?i)(authorization|ai_token)(\W{1,4})(bearer\s+)?[^\s\"',}]+"), r"\1\2***"),
    (re.compile(r"(\w+://[^\s:/@]*:)[^\s@/]+@"), r"\1***@"),
)


class Redaction:
    """Replaces anything that looks like a secret."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = [secret for secret in secrets if len(secret) >= 4]

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text


class RedactingFormatter(logging.Formatter):
    """Formats `time level logger: event key=value …`, with the traceback below it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._redact = Redaction(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = _fields(record)
        text = super().format(record)
        if fields:
            first, *rest = text.split("\n", 1)
            first += " " + " ".join(f"{key}={value}" for key, value in fields.items())
            text = "\n".join([first, *rest])
        return self._redact(text)


class JsonFormatter(logging.Formatter):
    """Formats one JSON object a line, for machines that collect logs."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._redact = Redaction(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {key: self._value(key, value) for key, value in _fields(record).items()}
        line |= {
            "time": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": self._redact(record.getMessage()),
        }
        if record.exc_info:
            line["traceback"] = self._redact(self.formatException(record.exc_info))
        return msgspec.json.encode(line).decode()

    def _value(self, key: str, value: object) -> object:
        if isinstance(value, bool | int | float | None):
            return value
        # With its name, which tells a token; before it is encoded, for that can change a secret's looks.
        return self._redact(f"{key}={value}").removeprefix(f"{key}=")


_redact_own = Redaction()


def redacted(text: str) -> str:
    """Return the text without the secrets of this process."""
    return _redact_own(text)


_FORMATTERS = {"text": RedactingFormatter, "json": JsonFormatter}


def configure(level: str, *, secrets: Iterable[str] = (), form: str = "text") -> None:
    """Send all logs of this process to standard error.

    Args:
        form: `text` or `json`.
    """
    global _redact_own
    secrets = tuple(secrets)
    _redact_own = Redaction(secrets)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_FORMATTERS[form](secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "uvicorn.access", "alembic", "arq", "asyncio", "opentelemetry"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    if root.level <= logging.DEBUG:
        logging.getLogger(__name__).warning("level debug: texts of users can reach the log")


def trace_of(error: BaseException) -> str:
    """The traceback as text, for the private part of an event; no local variables."""
    return "".join(traceback.format_exception(error))[-8000:]


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """Fields of the line: those of the work at hand, then its own."""
    own = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    return {**current_log_fields(), **own}
