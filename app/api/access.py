"""One log line for every request: what was asked and how it ended, without query, body or header values."""

import logging
import time
from contextvars import ContextVar

from litestar.enums import ScopeType
from litestar.exceptions import LitestarException
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from app.api.counted import Counted
from app.domain.errors import ServiceError
from app.domain.log_fields import log_fields

log = logging.getLogger(__name__)

seen_key: ContextVar[str | None] = ContextVar("seen_key", default=None)
"""Visible part of the key of this request, once it was found to be valid."""


class AccessLog:
    """Wraps the whole application, inside the part that gives a request its id."""

    def __init__(self, app: ASGIApp, counted: Counted) -> None:
        self._app = app
        self._counted = counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note how it was answered."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status, sent_bytes, began_s = 0, 0, 0.0
        seen_key.set(None)

        async def count(message: Message) -> None:
            nonlocal status, sent_bytes, began_s
            if message["type"] == "http.response.start":
                status, began_s = message["status"], time.perf_counter() - started
            elif message["type"] == "http.response.body":
                sent_bytes += len(message.get("body", b""))
            await send(message)

        try:
            with log_fields(request_id=scope["state"]["request_id"]):
                await self._app(scope, receive, count)
        except LitestarException as error:
            # In the middle of a body nothing can be said any more: the connection is closed before its end.
            if not status or not _is_known(error.__cause__):
                raise
            log.warning("answer broken off", extra={"request_id": scope["state"]["request_id"]})
        finally:
            line = _line(scope, status, sent_bytes, time.perf_counter() - started)
            log.info("answered", extra=line)
            if status:  # else the client left before there was an answer
                self._counted.answered(scope["method"], str(line["route"]), status, began_s)


def _is_known(error: BaseException | None) -> bool:
    """Whether it is one of the service's own errors, or a task group that ended by one."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(ServiceError)[1] is None
    return isinstance(error, ServiceError)


def _line(scope: HTTPScope, status: int, sent_bytes: int, seconds: float) -> dict[str, object]:
    return {
        "method": scope["method"],
        # The template, not the path: a path may hold what a client should not have put there.
        "route": scope.get("path_template") or "(unknown)",
        "status": status,
        "bytes": sent_bytes,
        "ms": round(seconds * 1000, 1),
        "request_id": scope["state"]["request_id"],
        "key": seen_key.get() or "-",
    }
