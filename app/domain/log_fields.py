"""Fields that every log line of a piece of work carries, such as its task, whoever writes the line."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_current: ContextVar[Mapping[str, object]] = ContextVar("log_fields", default=MappingProxyType({}))


@contextmanager
def log_fields(**fields: object) -> Iterator[None]:
    """Add fields to all lines written in this block, and in asyncio tasks that begin in it."""
    token = _current.set({**_current.get(), **fields})
    try:
        yield
    finally:
        _current.reset(token)


def current_log_fields() -> Mapping[str, object]:
    """The fields of the work at hand."""
    return _current.get()
