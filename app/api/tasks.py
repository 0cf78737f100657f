"""Own routes of single tasks: the audit record, and cancel."""

from litestar import Response, get, post

from app.api.auth import reach
from app.api.context import HttpRequest, context_of
from app.api.envelope import success
from app.api.strict import read_fields, refuse_unknown
from app.domain.errors import NotFoundError
from app.domain.keys import Scope
from app.domain.task import TaskId, parse_task_id


@get("/v1/tasks/{task_id:str}")
async def task(request: HttpRequest) -> Response[bytes]:
    """Show everything that is known of a task."""
    context = context_of(request)
    caller = await context.auth.by_header(request.headers.get("authorization"), Scope.TASKS_READ)
    refuse_unknown("query parameter", request.query_params)
    return success(await context.services.record(reach(caller), _task_id(request)))


@post("/v1/tasks/{task_id:str}/cancel", status_code=200)
async def cancel(request: HttpRequest) -> Response[bytes]:
    """Stop a task: a waiting one at once, a running one within seconds."""
    context = context_of(request)
    fields = await read_fields(request)
    caller = await context.auth.by_body(fields, request.headers.get("authorization"), Scope.TASKS_CANCEL)
    refuse_unknown("query parameter", request.query_params)
    refuse_unknown("field", fields)
    return success(await context.services.cancel(caller, reach(caller), _task_id(request)))


def _task_id(request: HttpRequest) -> TaskId:
    task_id = parse_task_id(request.path_params["task_id"])
    if task_id is None:
        raise NotFoundError("task not found")
    return task_id
