"""POST /format_input: caption and lyrics, improved by the language model."""

from litestar import Response, post

from app.api.body import read_body
from app.api.context import HttpRequest, context_of
from app.domain.errors import LanguageModelUnavailableError
from app.domain.format_input import parse_format_wish
from app.domain.keys import Scope


@post("/format_input", status_code=200)
async def format_input(request: HttpRequest) -> Response[bytes]:
    """Judge the request, then refuse it: this release offers no language model."""
    context = context_of(request)
    body = await read_body(request, max_bytes=context.config.max_body_bytes)
    await context.auth.by_body(body.fields, request.headers.get("authorization"), Scope.TASKS_WRITE)
    parse_format_wish(body.fields, context.config.limits)
    raise LanguageModelUnavailableError
