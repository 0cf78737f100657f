"""Traces of work across processes, for those who collect them; without a collector nothing is done."""

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

current_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""The work at hand in the words of W3C trace context: stored with a task, so that its worker joins in."""


class Tracer(Protocol):
    """Writes spans."""

    def span(
        self, name: str, *, parent: str | None = None, **attributes: str | int
    ) -> AbstractContextManager[None]:
        """Trace a block; `parent` is a stored trace context, default the work at hand."""

    def past(self, name: str, *, start_ns: int, end_ns: int) -> None:
        """Trace what is over, as part of the work at hand; times since 1970."""

    def close(self) -> None:
        """Send what was not sent yet."""


class NoTracer:
    """Writes nothing."""

    def span(
        self, name: str, *, parent: str | None = None, **attributes: str | int
    ) -> AbstractContextManager[None]:
        """Do nothing."""
        return nullcontext()

    def past(self, name: str, *, start_ns: int, end_ns: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def traced(
    tracer: Tracer, name: str, operation: Callable[P, Coroutine[Any, Any, T]]
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Trace every call of an operation."""

    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with tracer.span(name):
            return await operation(*args, **kwargs)

    return call
