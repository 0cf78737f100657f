"""What every answer carries, unknown routes and errors included: CORS headers and a request id."""

import re
from collections.abc import Iterable
from uuid import uuid4

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from app.domain.credentials import without_credentials

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = b"GET, HEAD, POST, PATCH, DELETE, OPTIONS"
_REQUEST_HEADERS = (
    b"Content-Type, Authorization, Idempotency-Key, Range, If-Range, If-None-Match, Last-Event-ID"
)
_EXPOSED = (
    b"Content-Length, Content-Range, Accept-Ranges, ETag, Retry-After, Idempotent-Replayed, X-Request-Id"
)
_MAX_AGE_S = b"600"

_Headers = list[tuple[bytes, bytes]]


class Front:
    """Wraps the whole application.

    Litestar's own middleware and CORS configuration do not reach answers given before routing.
    """

    def __init__(self, app: ASGIApp, *, origins: Iterable[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.rstrip("/").encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer OPTIONS here, and pass everything else on."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        request_id = _request_id(_header(scope, b"x-request-id"))
        scope["state"]["request_id"] = request_id.decode()
        extra = [*self._cors(_header(scope, b"origin")), (b"x-request-id", request_id)]
        if scope["method"] == "OPTIONS":
            await _answer_preflight(send, extra)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _cors(self, origin: bytes) -> _Headers:
        exposed = (b"access-control-expose-headers", _EXPOSED)
        if b"*" in self._origins:
            return [(b"access-control-allow-origin", b"*"), exposed]
        if origin not in self._origins:
            return [(b"vary", b"Origin")]
        return [(b"access-control-allow-origin", origin), (b"vary", b"Origin"), exposed]


async def _answer_preflight(send: Send, extra: _Headers) -> None:
    headers = [
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", _REQUEST_HEADERS),
        (b"access-control-max-age", _MAX_AGE_S),
        *extra,
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _header(scope: HTTPScope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


def _request_id(given: bytes) -> bytes:
    is_name = _REQUEST_ID.fullmatch(given) and without_credentials(given.decode()) == given.decode()
    return given if is_name else uuid4().hex.encode()
