"""The body of a request as one object: size limit, content type, JSON."""

from dataclasses import dataclass
from typing import Any

from litestar.exceptions import InternalServerException

from app.api.context import HttpRequest
from app.domain.errors import TooLargeError, UnsupportedMediaTypeError, ValidationError
from app.domain.wire_json import decode_json

_JSON = "application/json"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A decoded request.

    Attributes:
        fields: top-level values by name.
        content_type: media type under which it was read, without parameters.
    """

    fields: dict[str, Any]
    content_type: str


async def read_body(request: HttpRequest, *, max_bytes: int) -> Body:
    """Read and decode the body.

    Raises:
        TooLargeError: more than `max_bytes`, noticed while reading.
        UnsupportedMediaTypeError: not JSON, by its type or by its first character.
        ValidationError: JSON that is broken, too deep, or no object; a body that ended early.
    """
    raw = await _read_bytes(request, max_bytes)
    media_type = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if not _is_json(media_type, raw):
        shown = media_type[:100] or "(none)"
        raise UnsupportedMediaTypeError(f"content type {shown} is not supported; send JSON")
    return Body(fields=_decode_object(raw), content_type=media_type or _JSON)


async def _read_bytes(request: HttpRequest, max_bytes: int) -> bytes:
    too_large = TooLargeError(f"body is larger than {max_bytes} bytes")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise too_large
    chunks: list[bytes] = []
    size_bytes = 0
    try:
        async for chunk in request.stream():
            size_bytes += len(chunk)
            if size_bytes > max_bytes:
                raise too_large
            chunks.append(chunk)
    except InternalServerException as error:
        raise ValidationError("the body ended too early") from error
    return b"".join(chunks)


def _is_json(media_type: str, raw: bytes) -> bool:
    if media_type.startswith(_JSON) or media_type.endswith("+json"):
        return True
    if media_type.startswith(("multipart/form-data", "application/x-www-form-urlencoded")):
        return False
    return raw.removeprefix(_BOM).lstrip()[:1] in (b"{", b"[")


def _decode_object(raw: bytes) -> dict[str, Any]:
    value = decode_json(raw.removeprefix(_BOM))
    if not isinstance(value, dict):
        raise ValidationError("body must be a JSON object")
    return value
