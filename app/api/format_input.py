"""POST /format_input: caption and lyrics, improved by the language model."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from litestar import Response, post

from app.api.body import read_body
from app.api.context import HttpRequest, context_of, request_id_of
from app.api.envelope import soft_failure, success
from app.api.shapes import FormattedText
from app.domain.credentials import without_credentials
from app.domain.errors import LanguageModelFailedError
from app.domain.format_input import parse_format_wish
from app.domain.keys import Scope

T = TypeVar("T")


@post("/format_input", status_code=200)
async def format_input(request: HttpRequest) -> Response[bytes]:
    """Wait for the language model's answer, at most until the time limit."""
    context = context_of(request)
    body = await read_body(request, max_bytes=context.config.max_body_bytes)
    caller = await context.auth.by_body(body.fields, request.headers.get("authorization"), Scope.TASKS_WRITE)
    wish = parse_format_wish(body.fields, context.config.limits)
    working = context.services.format_input(
        caller,
        wish,
        request=without_credentials(body.fields),
        content_type=body.content_type,
        request_id=request_id_of(request),
    )
    try:
        return success(FormattedText.of(await _while_connected(request, working)))
    except LanguageModelFailedError as error:
        return soft_failure(error.message)


async def _while_connected(request: HttpRequest, work: Awaitable[T]) -> T:
    """Wait for work, and stop it when the client hangs up: nobody would read the answer."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
        return await working
    finally:
        leaving.cancel()
        working.cancel()


async def _disconnected(request: HttpRequest) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
