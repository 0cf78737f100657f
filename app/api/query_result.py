"""POST /query_result: the state of many tasks at once. Clients poll it, so it stays lean."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Response, post

from app.api.body import read_body
from app.api.context import Context, HttpRequest, context_of
from app.api.envelope import success
from app.domain.errors import DatabaseUnavailableError, ValidationError
from app.domain.keys import Scope
from app.domain.result import Entry, entry
from app.domain.task import parse_task_id
from app.domain.wire_json import decode_json

_RETRY_PAUSE_S = 0.2


@post("/query_result", status_code=200)
async def query_result(request: HttpRequest) -> Response[bytes]:
    """Answer one entry per requested id, in order, duplicates included."""
    context = context_of(request)
    body = await read_body(request, max_bytes=context.config.max_body_bytes)
    authorization = request.headers.get("authorization")
    give_up_at = time.monotonic() + context.config.query_patience_s
    while True:
        try:
            return success(await _entries(context, body.fields, authorization))
        except DatabaseUnavailableError:
            # Several clients give a whole job up on one bad poll.
            if time.monotonic() >= give_up_at:
                raise
            await asyncio.sleep(_RETRY_PAUSE_S)


async def _entries(context: Context, fields: Mapping[str, Any], authorization: str | None) -> list[Entry]:
    caller = await context.auth.by_body(fields, authorization, Scope.TASKS_READ)
    asked = _asked_ids(fields.get("task_id_list"), max_ids=context.config.max_query_ids)
    ids = {text: task_id for text in asked if (task_id := parse_task_id(text)) is not None}
    views = await context.services.query(caller.team_id, list(set(ids.values()))) if ids else {}
    env = context.config.env
    return [entry(text, views.get(ids[text]) if text in ids else None, env=env) for text in asked]


def _asked_ids(value: Any, *, max_ids: int) -> Sequence[str]:
    """Return the ids as text: from a list, or from text that holds a JSON list."""
    if isinstance(value, str):
        try:
            value = decode_json(value)
        except ValidationError:
            return []
    if not isinstance(value, list):
        return []
    if len(value) > max_ids:
        raise ValidationError(f"task_id_list has {len(value)} ids; at most {max_ids} are allowed")
    return [item if isinstance(item, str) else msgspec.json.encode(item).decode() for item in value]
