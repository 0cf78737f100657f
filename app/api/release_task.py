"""POST /release_task: accept a generation."""

from collections.abc import Mapping

from litestar import Response, post

from app.api.body import read_body
from app.api.context import HttpRequest, context_of, request_id_of
from app.api.envelope import success
from app.api.shapes import AcceptedTask
from app.domain.keys import Scope
from app.domain.submission import parse_submission

_MAX_AGENT_CHARS = 256


@post("/release_task", status_code=200)
async def release_task(request: HttpRequest) -> Response[bytes]:
    """Store a task and answer after the commit."""
    context = context_of(request)
    body = await read_body(request, max_bytes=context.config.max_body_bytes)
    authorization = request.headers.get("authorization")
    caller = await context.auth.by_body(body.fields, authorization, Scope.TASKS_WRITE)
    submission = parse_submission(
        body.fields, content_type=body.content_type, offers=await context.services.offers()
    )
    accepted = await context.services.submit(
        caller,
        submission,
        request_id=request_id_of(request),
        client=_client(request) if context.config.record_client else None,
    )
    return success(AcceptedTask(task_id=str(accepted.task_id), queue_position=accepted.queue_position))


def _client(request: HttpRequest) -> Mapping[str, str]:
    address = request.client.host if request.client else ""
    return {"ip": address, "user_agent": request.headers.get("user-agent", "")[:_MAX_AGENT_CHARS]}
