"""Server-sent events: one task until it has ended, or all tasks of a team."""

import logging
from collections.abc import AsyncIterator

import msgspec
from litestar import get
from litestar.response import ServerSentEventMessage, Stream

from app.api.auth import reach
from app.api.context import HttpRequest, context_of
from app.api.strict import refuse_unknown
from app.domain.errors import DatabaseUnavailableError, NotFoundError, ServiceError
from app.domain.keys import Scope
from app.domain.stream import Told
from app.domain.task import Caller, parse_task_id

log = logging.getLogger(__name__)

# Behind a proxy, too, every event arrives when it happens.
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_MAX_ID_DIGITS = 18


@get("/v1/tasks/{task_id:str}/stream")
async def task_stream(request: HttpRequest) -> Stream:
    """Follow one task."""
    caller = await _caller(request)
    refuse_unknown("query parameter", request.query_params)
    task_id = parse_task_id(request.path_params["task_id"])
    if task_id is None:
        raise NotFoundError("task not found")
    streams = context_of(request).services.streams
    return await _answer(request, streams.task(caller, reach(caller), task_id, after=_last_id(request)))


@get("/v1/tasks/stream")
async def team_stream(request: HttpRequest) -> Stream:
    """Follow the tasks of the team; of all teams with an admin's key."""
    caller = await _caller(request)
    refuse_unknown("query parameter", request.query_params)
    streams = context_of(request).services.streams
    return await _answer(request, streams.team(caller, reach(caller), after=_last_id(request)))


async def _caller(request: HttpRequest) -> Caller:
    authorization = request.headers.get("authorization")
    return await context_of(request).auth.by_header(authorization, Scope.TASKS_READ)


def _last_id(request: HttpRequest) -> int | None:
    text = request.headers.get("last-event-id", "").strip()
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= _MAX_ID_DIGITS else None


async def _answer(request: HttpRequest, events: AsyncIterator[Told | None]) -> Stream:
    # The first event is read before the answer begins, so that an unknown task is still a 404.
    first = await anext(events)
    return Stream(_lines(request, first, events), media_type="text/event-stream", headers=_HEADERS)


async def _lines(
    request: HttpRequest, first: Told | None, rest: AsyncIterator[Told | None]
) -> AsyncIterator[bytes]:
    yield _line(first)
    try:
        async for told in rest:
            if told is None and not await _is_still_allowed(request):
                return
            yield _line(told)
    except ServiceError as error:
        # The answer has begun: all that can be done is to end it, and the client comes back.
        log.info("stream ended", extra={"reason": str(error)})


def _line(told: Told | None) -> bytes:
    if told is None:
        return ServerSentEventMessage(data=None, comment="still here").encode()
    if told.news is None:
        return ServerSentEventMessage(data=None, id=told.id).encode()
    data = msgspec.json.encode(told.news)
    return ServerSentEventMessage(data=data, event=told.kind, id=told.id).encode()


async def _is_still_allowed(request: HttpRequest) -> bool:
    """Ask for the key again: one that was revoked since must not go on reading."""
    try:
        await _caller(request)
    except DatabaseUnavailableError:
        return True
    except ServiceError:
        return False
    return True
