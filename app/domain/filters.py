"""Which tasks a list shows: the filters of `/v1/tasks`, read strictly, as a wrong one would hide tasks."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec

from app.domain.controls import MAX_LABEL_NAME_CHARS, MAX_LABEL_VALUE_CHARS
from app.domain.errors import ValidationError
from app.domain.params import TASK_TYPES
from app.domain.seeds import SEED_RANGE
from app.domain.task import TaskStatus

ERROR_CODES = (
    "validation",
    "input_unavailable",
    "queue_full",
    "quota_exceeded",
    "timeout",
    "gpu_out_of_memory",
    "worker_lost",
    "model_unavailable",
    "lm_failed",
    "storage_unavailable",
    "cancelled",
    "not_found",
    "internal",
)
"""Public reasons for which a task can end."""

LABEL = "label."
MAX_CHARS = 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Filters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all shown tasks have in common; `after` times are included, `before` times are not.

    Attributes:
        q: words that stand in prompt, lyrics or sample_query, in any order.
        sha256: of an output or an input.
        team: public id, for admins.
    """

    state: tuple[str, ...] = ()
    task_type: str | None = None
    model: str | None = None
    key_id: UUID | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    finished_after: datetime | None = None
    finished_before: datetime | None = None
    seed: int | None = None
    error_code: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    q: str | None = None
    parent_id: UUID | None = None
    sha256: str | None = None
    team: UUID | None = None


def is_filter(name: str) -> bool:
    """Whether a query parameter of this name is a filter."""
    return name in _READERS or name.startswith(LABEL)


def read_filters(given: Iterable[tuple[str, str]]) -> Filters:
    """Read names and values of filters; only `state` may stand there more than once.

    Raises:
        ValidationError: a value that cannot be, or a repeated filter.
    """
    values: dict[str, Any] = {}
    states: set[str] = set()
    labels: dict[str, str] = {}
    for name, text in given:
        if "\0" in text or len(text) > MAX_CHARS:
            raise ValidationError(f"{name[:40]} must be at most {MAX_CHARS} characters, without U+0000")
        if name == "state":
            states.add(_choice(name, text, tuple(TaskStatus)))
            continue
        if name in values or name.removeprefix(LABEL) in labels:
            raise ValidationError(f"{name[:40]} is given twice")
        if name.startswith(LABEL):
            labels[_label_name(name)] = _text(name[:40], text, MAX_LABEL_VALUE_CHARS)
        else:
            values[name] = _READERS[name](name, text)
    return Filters(state=tuple(sorted(states)), labels=tuple(sorted(labels.items())), **values)


def _label_name(name: str) -> str:
    name = name.removeprefix(LABEL)
    if not 0 < len(name) <= MAX_LABEL_NAME_CHARS or "\0" in name:
        raise ValidationError(f"the name of a label has 1 to {MAX_LABEL_NAME_CHARS} characters")
    return name


def _choice(name: str, text: str, choices: Iterable[str]) -> str:
    if text not in choices:
        raise ValidationError(f"{name} must be one of: {', '.join(choices)}")
    return text


def _text(name: str, text: str, most: int = MAX_CHARS) -> str:
    if len(text) > most:
        raise ValidationError(f"{name} must be at most {most} characters")
    return text


def _words(name: str, text: str) -> str:
    if not text.strip():
        raise ValidationError(f"{name} needs at least one word")
    return text


def _uuid(name: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValidationError(f"{name} must be a UUID") from None


def _time(name: str, text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        # A date alone is its midnight in UTC; a time without a zone could mean anything.
        if len(text) == len("2026-03-01"):
            time = time.replace(tzinfo=UTC)
        if time.tzinfo is None:
            raise ValueError
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValidationError(f"{name} must be a time such as 2026-03-01T12:00:00Z") from None


def _seed(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) < SEED_RANGE):
        raise ValidationError(f"{name} must be a number from 0 to {SEED_RANGE - 1}")
    return int(text)


def _sha256(name: str, text: str) -> str:
    if not _SHA256.fullmatch(text.lower()):
        raise ValidationError(f"{name} must be 64 hexadecimal digits")
    return text.lower()


_READERS: Mapping[str, Callable[[str, str], Any]] = MappingProxyType(
    {
        "state": lambda name, text: _choice(name, text, tuple(TaskStatus)),
        "task_type": lambda name, text: _choice(name, text, TASK_TYPES),
        "model": _text,
        "key_id": _uuid,
        "created_after": _time,
        "created_before": _time,
        "finished_after": _time,
        "finished_before": _time,
        "seed": _seed,
        "error_code": lambda name, text: _choice(name, text, ERROR_CODES),
        "q": _words,
        "parent_id": _uuid,
        "sha256": _sha256,
        "team": _uuid,
    }
)
