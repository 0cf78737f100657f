"""Own routes of single tasks: the audit record, cancel, change, erase, and a new task from an old one."""

from typing import Any

from litestar import Response, delete, get, patch, post

from app.api.auth import reach
from app.api.client import client_of
from app.api.context import HttpRequest, context_of, request_id_of
from app.api.envelope import success
from app.api.once import accept_once
from app.api.strict import read_fields, refuse_unknown
from app.domain import changes, rerun
from app.domain.errors import ForbiddenError, NotFoundError
from app.domain.idempotency import Idempotency
from app.domain.keys import Scope
from app.domain.task import Accepted, Caller, TaskId, parse_task_id
from app.services import Relation


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
    caller, _ = await _read(request, Scope.TASKS_CANCEL)
    return success(await context_of(request).services.cancel(caller, reach(caller), _task_id(request)))


@patch("/v1/tasks/{task_id:str}")
async def edit(request: HttpRequest) -> Response[bytes]:
    """Change priority, labels or legal hold, all of them or none; answers the record."""
    services = context_of(request).services
    caller, fields = await _read(request, Scope.TASKS_WRITE, *changes.FIELDS)
    wanted = changes.read_changes(fields)
    if wanted.legal_hold is not None and not {Scope.TEAM_MANAGE, Scope.ADMIN} & caller.scopes:
        raise ForbiddenError(f"legal_hold needs the scope {Scope.TEAM_MANAGE}")
    team_id, task_id = reach(caller), _task_id(request)
    await services.edit(caller, team_id, task_id, wanted)
    return success(await services.record(team_id, task_id))


@delete("/v1/tasks/{task_id:str}", status_code=200)
async def erase(request: HttpRequest) -> Response[bytes]:
    """Remove the content of a task; a waiting one is cancelled first."""
    context = context_of(request)
    caller = await context.auth.by_header(request.headers.get("authorization"), Scope.TASKS_DELETE)
    refuse_unknown("query parameter", request.query_params)
    return success(await context.services.erase(caller, reach(caller), _task_id(request)))


@post("/v1/tasks/{task_id:str}/retry", status_code=200)
async def retry(request: HttpRequest) -> Response[bytes]:
    """Run a failed or cancelled task again, as a new one."""
    caller, fields = await _read(request, Scope.TASKS_WRITE)
    return await _repeat(request, caller, Relation.RETRY, rerun.Wish(), fields)


@post("/v1/tasks/{task_id:str}/rerun", status_code=200)
async def run_again(request: HttpRequest) -> Response[bytes]:
    """Run an ended task again, as a new one, with the same or other values."""
    caller, fields = await _read(request, Scope.TASKS_WRITE, *rerun.FIELDS)
    return await _repeat(request, caller, Relation.RERUN, rerun.read_wish(fields), fields)


async def _repeat(
    request: HttpRequest, caller: Caller, relation: Relation, wish: rerun.Wish, fields: dict[str, Any]
) -> Response[bytes]:
    task_id = _task_id(request)

    async def accept(idempotency: Idempotency | None) -> Accepted:
        return await context_of(request).services.repeat(
            caller,
            reach(caller),
            task_id,
            relation,
            wish,
            request=fields,
            request_id=request_id_of(request),
            client=client_of(request),
            idempotency=idempotency,
        )

    operation = f"{relation.value} {task_id}"
    return await accept_once(request, caller, accept, operation=operation, fields=fields)


async def _read(request: HttpRequest, scope: Scope, *known: str) -> tuple[Caller, dict[str, Any]]:
    """Read a JSON body that may be missing, and find the caller; other fields are refused."""
    fields = await read_fields(request)
    authorization = request.headers.get("authorization")
    caller = await context_of(request).auth.by_body(fields, authorization, scope)
    refuse_unknown("query parameter", request.query_params)
    refuse_unknown("field", fields, known=known)
    return caller, fields


def _task_id(request: HttpRequest) -> TaskId:
    task_id = parse_task_id(request.path_params["task_id"])
    if task_id is None:
        raise NotFoundError("task not found")
    return task_id
