"""GET and HEAD /v1/audio: stored clips, streamed by the service itself."""

import re
from datetime import UTC
from email.utils import format_datetime

from litestar import HttpMethod, Response, route
from litestar.response import Stream

from app.api.context import HttpRequest, context_of
from app.api.ranges import choose_part
from app.api.streams import resume
from app.domain.errors import NotFoundError, ValidationError
from app.domain.keys import Scope
from app.services import StoredAudio

_KEY = re.compile(r"audio/[0-9a-f]{32}\.[a-z0-9]{1,8}", re.ASCII)
_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9._ -]")
_MAX_NAME_CHARS = 120
_CACHE_CONTROL = "private, max-age=86400, immutable"


@route("/v1/audio", http_method=[HttpMethod.GET, HttpMethod.HEAD], status_code=200)
async def audio(request: HttpRequest) -> Response[bytes] | Stream:
    """Send a clip or a part of it; foreign, expired and malformed paths are all unknown."""
    stored = await _find(request)
    headers = _headers(stored, request.query_params.get("download"))
    part = choose_part(
        request.headers,
        is_get=request.method == HttpMethod.GET,
        size_bytes=stored.size_bytes,
        etag=headers["ETag"],
        last_modified=headers["Last-Modified"],
    )
    if part.status == 304:
        return Response(b"", status_code=304, headers=headers)
    headers["Content-Length"] = str(part.end - part.start)
    if part.status == 206:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{stored.size_bytes}"
    reader = context_of(request).services.audio
    if request.method == HttpMethod.HEAD:
        if not await reader.is_there(stored):
            raise _unknown()
        return Response(b"", status_code=part.status, media_type=stored.mime, headers=headers)
    content = reader.open(stored, part.start, part.end)
    # The first chunk is read before the answer begins, so that a missing object is still a 404.
    first = await anext(content, None)
    if first is None:
        raise _unknown()
    stream = resume(first, content)
    return Stream(stream, status_code=part.status, media_type=stored.mime, headers=headers)


async def _find(request: HttpRequest) -> StoredAudio:
    context = context_of(request)
    team_id = None
    if not context.config.public_audio:
        authorization = request.headers.get("authorization")
        team_id = (await context.auth.by_header(authorization, Scope.AUDIO_READ)).team_id
    path = request.query_params.get("path")
    if path is None:
        raise ValidationError("query parameter path is missing")
    key = path.removeprefix("/")
    if not _KEY.fullmatch(key):
        raise _unknown()
    return await context.services.audio.find(team_id, key)


def _unknown() -> NotFoundError:
    return NotFoundError("audio file not found")


def _headers(stored: StoredAudio, download: str | None) -> dict[str, str]:
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": f'"{stored.sha256}"',
        "Last-Modified": format_datetime(stored.created_at.astimezone(UTC), usegmt=True),
        "Cache-Control": _CACHE_CONTROL,
        "X-Content-Type-Options": "nosniff",
    }
    if download:
        name = _UNSAFE_IN_NAME.sub("_", download)[:_MAX_NAME_CHARS].strip(" .") or "audio"
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return headers
