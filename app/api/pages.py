"""GET /studio, /admin, /docs and /web/<path>: the pages of the service, from the package, without a key."""

from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

from litestar import Response, get

from app.api.context import HttpRequest
from app.domain.errors import NotFoundError

_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
"""The kinds of files that are sent; the pages themselves have addresses of their own."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
# The address of the API is a setting of Studio.
_STUDIO_POLICY = _POLICY.replace("connect-src 'self'", "connect-src 'self' http: https:")
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


@get("/studio")
async def studio(request: HttpRequest) -> Response[bytes]:
    """Send the page for people who make music."""
    return _send(request, "studio.html", "text/html", policy=_STUDIO_POLICY)


@get("/admin")
async def admin(request: HttpRequest) -> Response[bytes]:
    """Send the page for people who run the service."""
    return _send(request, "admin.html", "text/html")


@get("/web/{path:path}")
async def web(request: HttpRequest) -> Response[bytes]:
    """Send one file of a page."""
    name = request.path_params["path"].removeprefix("/")
    media_type = allowed().get(name)
    if media_type is None:
        raise NotFoundError("unknown route")
    return _send(request, name, media_type)


@cache
def allowed() -> Mapping[str, str]:
    """Return the content type of every file below `/web/`, by name; any other name is unknown.

    The names are those of the package, read once: no name of a request ever reaches the file system.
    """
    found = {name: _TYPES[f".{name.rpartition('.')[2]}"] for name in _names(files("app") / "web")}
    return MappingProxyType(found)


def _names(folder: Traversable, above: str = "") -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _names(entry, f"{above}{entry.name}/")
        elif f".{entry.name.rpartition('.')[2]}" in _TYPES:
            yield above + entry.name


def _send(request: HttpRequest, name: str, media_type: str, *, policy: str = _POLICY) -> Response[bytes]:
    content, etag = _read(name)
    headers = {**_HEADERS, "Content-Security-Policy": policy, "ETag": etag}
    if request.headers.get("if-none-match") == etag:
        return Response(b"", status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


@cache
def _read(name: str) -> tuple[bytes, str]:
    content = (files("app") / "web").joinpath(*name.split("/")).read_bytes()
    return content, f'"{sha256(content).hexdigest()}"'
