"""Logging of every process: one line an event, fields after the text, secrets replaced."""

import logging
import re
import sys
import traceback
from collections.abc import Iterable

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_PATTERNS = (
    (re.compile(r"ace_[0-9A-Za-z]{20,}(_[0-9A-Za-z]+)?"), "ace_***"),
    (re.compile(r"(?i)(authorization|ai_token)(\W{1,4})(bearer\s+)?[^\s\"',}]+"), r"\1\2***"),
    (re.compile(r"(\w+://[^\s:/@]*:)[^\s@/]+@"), r"\1***@"),
)


class RedactingFormatter(logging.Formatter):
    """Formats `time level logger: event key=value …` and replaces anything that looks like a secret."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._secrets = [secret for secret in secrets if len(secret) >= 4]

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the traceback below it if there is one."""
        fields = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        text = super().format(record)
        if fields:
            first, *rest = text.split("\n", 1)
            first += " " + " ".join(f"{key}={value}" for key, value in fields.items())
            text = "\n".join([first, *rest])
        return self._redact(text)

    def _redact(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text


def configure(level: str, *, secrets: Iterable[str] = ()) -> None:
    """Send all logs of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "uvicorn.access", "alembic", "arq", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def trace_of(error: BaseException) -> str:
    """The traceback as text, for the private part of an event; no local variables."""
    return "".join(traceback.format_exception(error))[-8000:]
