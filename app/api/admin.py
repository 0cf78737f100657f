"""Own routes of those who run the service; each needs the right `admin`."""

from uuid import UUID

from litestar import Response, get, post

from app.api.admin_shapes import (
    AdminStatus,
    AuditList,
    AuditView,
    DrainView,
    PauseView,
    Traces,
    WorkerList,
    WorkerView,
)
from app.api.context import HttpRequest, context_of
from app.api.door import behind, visit_of
from app.api.envelope import success
from app.api.lists import LIST_QUERY, shown, window_of
from app.domain.errors import NotFoundError
from app.domain.keys import Scope
from app.domain.task import TaskId, parse_task_id


@get("/v1/admin/status", **behind(Scope.ADMIN))
async def admin_status(request: HttpRequest) -> Response[bytes]:
    """Show load, outcomes of the last hour, and health."""
    return success(AdminStatus.of(await context_of(request).services.operations.status()))


@get("/v1/admin/workers", **behind(Scope.ADMIN, query=LIST_QUERY))
async def workers(request: HttpRequest) -> Response[bytes]:
    """List the workers of the last seven days."""
    window = window_of(request, "workers")
    page = await context_of(request).services.operations.workers(after=window.after, limit=window.limit)
    items = [WorkerView.of(worker) for worker in page.items]
    return success(WorkerList(items=items, **shown(request, page, "workers")))


@get("/v1/admin/audit", **behind(Scope.ADMIN, query=LIST_QUERY))
async def audit(request: HttpRequest) -> Response[bytes]:
    """List changes of teams, keys, queue and workers, newest first."""
    window = window_of(request, "audit")
    page = await context_of(request).services.operations.audit(after=window.after, limit=window.limit)
    items = [AuditView.of(entry) for entry in page.items]
    return success(AuditList(items=items, **shown(request, page, "audit")))


@post("/v1/admin/queue/pause", status_code=200, **behind(Scope.ADMIN))
async def pause(request: HttpRequest) -> Response[bytes]:
    """Let no more tasks start; submissions and running tasks go on."""
    await context_of(request).services.operations.set_paused(visit_of(request).by, True)
    return success(PauseView(paused=True))


@post("/v1/admin/queue/resume", status_code=200, **behind(Scope.ADMIN))
async def resume(request: HttpRequest) -> Response[bytes]:
    """Let tasks start again."""
    await context_of(request).services.operations.set_paused(visit_of(request).by, False)
    return success(PauseView(paused=False))


@post("/v1/admin/workers/{worker_id:str}/drain", status_code=200, **behind(Scope.ADMIN))
async def drain(request: HttpRequest) -> Response[bytes]:
    """Let a worker end its tasks and claim no more."""
    worker_id = _id(request, "worker")
    await context_of(request).services.operations.drain(visit_of(request).by, worker_id)
    return success(DrainView(id=str(worker_id)))


@get("/v1/admin/tasks/{task_id:str}/traceback", **behind(Scope.ADMIN))
async def traceback(request: HttpRequest) -> Response[bytes]:
    """Show the private texts of a task's failed attempts."""
    task_id = TaskId(_id(request, "task"))
    traces = await context_of(request).services.operations.traces(task_id)
    return success(Traces.of(str(task_id), traces))


def _id(request: HttpRequest, kind: str) -> UUID:
    id_ = parse_task_id(request.path_params[f"{kind}_id"])
    if id_ is None:
        raise NotFoundError(f"{kind} not found")
    return id_
