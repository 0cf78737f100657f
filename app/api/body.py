"""The body of a request as one object and its files: size limits and content types."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from litestar.exceptions import InternalServerException
from multipart import parse_options_header

from app.api.context import HttpRequest, context_of
from app.api.form_data import Incoming, read_multipart, read_urlencoded
from app.domain.errors import TooLargeError, UnsupportedMediaTypeError, ValidationError
from app.domain.inputs import ReceivedFile, Role
from app.domain.wire_json import decode_json

IDLE_S = 30.0
_JSON = "application/json"
_URLENCODED = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A decoded request.

    Attributes:
        fields: top-level values by name; of forms they are texts.
        content_type: media type under which it was read, without parameters.
        files: uploaded inputs, complete, in the spool of the request.
    """

    fields: dict[str, Any]
    content_type: str
    files: Mapping[Role, ReceivedFile] = field(default_factory=dict)


def has_body(request: HttpRequest) -> bool:
    """Whether the request carries a body at all, as far as its headers tell."""
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


async def read_body(request: HttpRequest, *, max_bytes: int, incoming: Incoming | None = None) -> Body:
    """Read and decode the body.

    Args:
        max_bytes: of JSON, of a urlencoded form, and of the texts of a multipart form.
        incoming: for a route that takes files.

    Raises:
        TooLargeError: more than allowed, noticed while reading.
        UnsupportedMediaTypeError: neither JSON nor a form, by its type or by its content.
        ValidationError: a broken body, JSON that is too deep or no object, a form with too many parts.
        UnauthorizedError: a multipart body with files of nobody.
    """
    header = request.headers.get("content-type", "")
    media_type = header.split(";", 1)[0].strip().lower()
    max_parts = context_of(request).config.max_form_parts
    if media_type.startswith(_MULTIPART):
        _check_announced(request, incoming.max_bytes if incoming else max_bytes)
        fields, files = await read_multipart(
            _chunks(request), header, max_bytes=max_bytes, max_parts=max_parts, incoming=incoming
        )
        return Body(fields=fields, content_type=media_type, files=files)
    raw = await _read_bytes(request, max_bytes)
    kind = _kind(media_type, raw)
    if kind == _JSON:
        return Body(fields=_decode_object(raw), content_type=media_type or _JSON)
    charset = parse_options_header(header)[1].get("charset") or "utf-8"
    return Body(fields=read_urlencoded(raw, charset=charset, max_fields=max_parts), content_type=kind)


def _kind(media_type: str, raw: bytes) -> str:
    if media_type.startswith(_JSON) or media_type.endswith("+json"):
        return _JSON
    if media_type.startswith(_URLENCODED):
        return _URLENCODED
    if raw.removeprefix(_BOM).lstrip()[:1] in (b"{", b"["):
        return _JSON
    if b"=" in raw:
        return _URLENCODED
    shown = media_type[:100] or "(none)"
    raise UnsupportedMediaTypeError(f"content type {shown} is not supported; send JSON or a form")


async def _read_bytes(request: HttpRequest, max_bytes: int) -> bytes:
    _check_announced(request, max_bytes)
    chunks: list[bytes] = []
    size_bytes = 0
    async for chunk in _chunks(request):
        size_bytes += len(chunk)
        if size_bytes > max_bytes:
            raise _too_large(max_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


async def _chunks(request: HttpRequest) -> AsyncIterator[bytes]:
    """Pass on what arrives; give up on a sender who has stopped."""
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(IDLE_S):
                chunk = await anext(stream, None)
        except InternalServerException as error:
            raise ValidationError("the body ended too early") from error
        except TimeoutError as error:
            raise ValidationError(f"no more of the body came for {IDLE_S:g} seconds") from error
        if chunk is None:
            return
        yield chunk


def _check_announced(request: HttpRequest, max_bytes: int) -> None:
    announced = request.headers.get("content-length", "")
    # Only so many digits as Python converts; the bytes are counted in any case.
    if announced.isdecimal() and (len(announced) > 18 or int(announced) > max_bytes):
        raise _too_large(max_bytes)


def _too_large(max_bytes: int) -> TooLargeError:
    return TooLargeError(f"body is larger than {max_bytes} bytes")


def _decode_object(raw: bytes) -> dict[str, Any]:
    value = decode_json(raw.removeprefix(_BOM))
    if not isinstance(value, dict):
        raise ValidationError("body must be a JSON object")
    return value
