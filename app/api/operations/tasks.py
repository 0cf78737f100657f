"""Own routes of single tasks."""

from app.api.operations.build import (
    BODY_ERRORS,
    KEY_ERRORS,
    Described,
    idempotency_key,
    operation,
    parameter,
    ref,
)

_ALL = (*BODY_ERRORS, 404, 409)


def paths() -> Described:
    """Return the routes of this file."""
    return {
        "/v1/tasks/{task_id}": {"get": _task(), "patch": _edit(), "delete": _erase()},
        "/v1/tasks/{task_id}/cancel": {"post": _cancel()},
        "/v1/tasks/{task_id}/retry": {"post": _retry()},
        "/v1/tasks/{task_id}/rerun": {"post": _rerun()},
    }


def _task() -> Described:
    return operation(
        "task",
        "Show the audit record of a task",
        "What is not known is null or empty. Unknown query parameters are an error.",
        answer=ref("Record"),
        errors=(*KEY_ERRORS, 404),
        parameters=[TASK_ID],
    )


def _edit() -> Described:
    return operation(
        "edit",
        "Change priority, labels or legal hold",
        "All of them or none. The priority of a waiting task only, at most the team's. Answers the record.",
        answer=ref("Record"),
        errors=_ALL,
        parameters=[TASK_ID],
    ) | {"requestBody": _json("TaskChanges", required=True)}


def _erase() -> Described:
    return operation(
        "erase",
        "Erase a task",
        "Removes texts, parameters, inputs and audio; a tombstone with times, state, sizes, hashes and "
        "events stays, for admins. A waiting task is cancelled first; a running one is a conflict, and so "
        "is a legal hold.",
        answer=ref("ErasedView"),
        errors=(*KEY_ERRORS, 404, 409),
        parameters=[TASK_ID],
    )


def _cancel() -> Described:
    return operation(
        "cancel",
        "Cancel a task",
        "A waiting task ends at once, a running one at its next step. Repeating it is fine; a task that "
        "ended otherwise is a conflict.",
        answer=ref("CancelView"),
        errors=_ALL,
        parameters=[TASK_ID],
    ) | {"requestBody": _json("OnlyToken")}


def _retry() -> Described:
    return operation(
        "retry",
        "Run a failed or cancelled task again",
        "A new task with the same parameters and seeds, which names this one as its parent.",
        answer=ref("AcceptedTask"),
        errors=(*_ALL, 429),
        parameters=[TASK_ID, idempotency_key()],
    ) | {"requestBody": _json("OnlyToken")}


def _rerun() -> Described:
    return operation(
        "rerun",
        "Run an ended task again",
        "A new task, which names this one as its parent. With the same seeds and no overrides its wav bytes "
        "are the same, on the same machine and versions.",
        answer=ref("AcceptedTask"),
        errors=(*_ALL, 429),
        parameters=[TASK_ID, idempotency_key()],
    ) | {"requestBody": _json("RerunTask")}


def _json(name: str, *, required: bool = False) -> Described:
    return {"required": required, "content": {"application/json": {"schema": ref(name)}}}


TASK_ID = parameter("path", "task_id", "Id of the task.", {"type": "string", "format": "uuid"}, required=True)
