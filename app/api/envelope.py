"""The five keys around every answer, and the six around every error."""

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from litestar import Response


class Success(msgspec.Struct, frozen=True, kw_only=True):
    """The keys around every answer."""

    data: Any
    code: int = 200
    error: None = None
    timestamp: int
    extra: None = None


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An error; `error` and `detail` are the same text, which says what to do."""

    data: None = None
    code: int
    error: str
    detail: str
    timestamp: int
    extra: None = None


_encoder = msgspec.json.Encoder()


def success(data: Any, headers: Mapping[str, str] = MappingProxyType({})) -> Response[bytes]:
    """Wrap the data of a successful answer; text is not escaped to ASCII."""
    return _json(Success(data=data, timestamp=_now_ms()), 200, headers)


def failure(status: int, text: str, headers: Mapping[str, str]) -> Response[bytes]:
    """Wrap a public error text, under both keys that clients read."""
    body = Failure(code=status, error=text, detail=text, timestamp=_now_ms())
    return _json(body, status, headers)


def failure_body(status: int, text: str) -> bytes:
    """Return the same as bytes, for answers that no handler gives."""
    return _encoder.encode(Failure(code=status, error=text, detail=text, timestamp=_now_ms()))


def soft_failure(text: str) -> Response[bytes]:
    """Say with status 200 that a language model failed: code 500 stands in the body only."""
    return _json(Failure(code=500, error=text, detail=text, timestamp=_now_ms()), 200, {})


def _json(body: msgspec.Struct, status: int, headers: Mapping[str, str]) -> Response[bytes]:
    content = _encoder.encode(body)
    return Response(content, status_code=status, media_type="application/json", headers=dict(headers))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
