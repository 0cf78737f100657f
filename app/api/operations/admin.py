"""Own routes of those who run the service; each needs the right `admin`."""

from app.api.operations.build import (
    BODY_ERRORS,
    KEY_ERRORS,
    Described,
    fields_body,
    list_parameters,
    operation,
    parameter,
    ref,
)
from app.api.operations.tasks import TASK_ID


def paths() -> Described:
    """Return the routes of this file."""
    return {
        "/v1/admin/status": {"get": _status()},
        "/v1/admin/workers": {"get": _list("workers", "List workers", "WorkerList")},
        "/v1/admin/audit": {
            "get": _list("audit", "List changes of teams, keys, queue and workers", "AuditList")
        },
        "/v1/admin/queue/pause": {"post": _switch("pause", "Let no more tasks start")},
        "/v1/admin/queue/resume": {"post": _switch("resume", "Let tasks start again")},
        "/v1/admin/workers/{worker_id}/drain": {"post": _drain()},
        "/v1/admin/tasks/{task_id}/traceback": {"get": _traceback()},
    }


def _status() -> Described:
    about = "Load by team, model and stage, outcomes of the last hour, and health."
    return operation(
        "admin_status", "Show the whole service", about, answer=ref("AdminStatus"), errors=KEY_ERRORS
    )


def _list(name: str, summary: str, shape: str) -> Described:
    return operation(
        name,
        summary,
        "Newest first.",
        answer=ref(shape),
        errors=KEY_ERRORS,
        parameters=list_parameters(),
    )


def _switch(name: str, summary: str) -> Described:
    return operation(
        name,
        summary,
        "Submissions and running tasks go on. Repeating it is fine.",
        answer=ref("PauseView"),
        errors=BODY_ERRORS,
        body=fields_body({}),
    )


def _drain() -> Described:
    return operation(
        "drain",
        "Let a worker claim no more",
        "Its running tasks end as usual. Repeating it is fine.",
        answer=ref("DrainView"),
        errors=(*BODY_ERRORS, 404),
        body=fields_body({}),
        parameters=[WORKER_ID],
    )


def _traceback() -> Described:
    return operation(
        "traceback",
        "Show the tracebacks of a task",
        "Private texts of its failed attempts; never shown anywhere else.",
        answer=ref("Traces"),
        errors=(*KEY_ERRORS, 404),
        parameters=[TASK_ID],
    )


WORKER_ID = parameter(
    "path", "worker_id", "Id of the worker.", {"type": "string", "format": "uuid"}, required=True
)
