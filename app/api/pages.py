"""GET /docs and /web/<name>: the pages of the service, from the package; they need no key."""

from functools import cache
from hashlib import sha256
from importlib.resources import files

from litestar import Response, get

from app.api.context import HttpRequest
from app.domain.errors import NotFoundError

_TYPES = {
    "docs.css": "text/css",
    "docs.js": "text/javascript",
    "docs-schema.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
"""The files that are sent, by name; any other name is unknown."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-cache",
}


@get("/docs")
async def docs(request: HttpRequest) -> Response[bytes]:
    """Send the page that shows the API and tries it."""
    return _send(request, "docs.html", "text/html")


@get("/web/{name:str}")
async def web(request: HttpRequest) -> Response[bytes]:
    """Send one file of a page."""
    name = request.path_params["name"]
    if name not in _TYPES:
        raise NotFoundError("unknown route")
    return _send(request, name, _TYPES[name])


def _send(request: HttpRequest, name: str, media_type: str) -> Response[bytes]:
    content, etag = _read(name)
    headers = {**_HEADERS, "ETag": etag}
    if request.headers.get("if-none-match") == etag:
        return Response(b"", status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


@cache
def _read(name: str) -> tuple[bytes, str]:
    content = (files("app") / "web" / name).read_bytes()
    return content, f'"{sha256(content).hexdigest()}"'
