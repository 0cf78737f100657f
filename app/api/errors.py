"""Every exception becomes an error body with a public text; nothing else leaves the service."""

import logging

from litestar import Response
from litestar.exceptions import HTTPException

from app.api.context import HttpRequest, request_id_of
from app.api.envelope import failure
from app.domain.errors import RangeNotSatisfiableError, ServiceError, UnauthorizedError

log = logging.getLogger(__name__)

_TEXTS = {404: "unknown route", 405: "method not allowed"}


def answer_error(request: HttpRequest, error: Exception) -> Response[bytes]:
    """Answer with the status of a known error, or with 500 and a logged traceback."""
    if isinstance(error, ServiceError):
        return failure(error.status, error.message, _headers(error) | _hang_up(request))
    if isinstance(error, HTTPException) and error.status_code < 500:
        # 422 is not part of the contract: what Litestar calls unprocessable is a bad request here.
        status = 400 if error.status_code == 422 else error.status_code
        return failure(status, _TEXTS.get(status, "bad request"), error.headers or {})
    log.error("request failed", extra={"request_id": request_id_of(request)}, exc_info=error)
    return failure(500, "internal error", {})


def _hang_up(request: HttpRequest) -> dict[str, str]:
    """Close a connection whose body may go on for ever: it was refused before its end."""
    return {"Connection": "close"} if "transfer-encoding" in request.headers else {}


def _headers(error: ServiceError) -> dict[str, str]:
    headers: dict[str, str] = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, error.retry_after_s))
    if isinstance(error, RangeNotSatisfiableError):
        headers["Content-Range"] = f"bytes */{error.size_bytes}"
    if isinstance(error, UnauthorizedError):
        headers["WWW-Authenticate"] = "Bearer"
    return headers
