"""Own routes of single tasks."""

from app.api.operations.build import BODY_ERRORS, KEY_ERRORS, Described, json_body, operation, parameter, ref


def paths() -> Described:
    """Return the routes of this file."""
    return {
        "/v1/tasks/{task_id}": {"get": _task()},
        "/v1/tasks/{task_id}/cancel": {"post": _cancel()},
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


def _cancel() -> Described:
    return operation(
        "cancel",
        "Cancel a task",
        "A waiting task ends at once, a running one at its next step. Repeating it is fine; a task that "
        "ended otherwise is a conflict.",
        answer=ref("CancelView"),
        errors=(*BODY_ERRORS, 404, 409),
        body=json_body({}),
        parameters=[TASK_ID],
    )


TASK_ID = parameter("path", "task_id", "Id of the task.", {"type": "string", "format": "uuid"}, required=True)
