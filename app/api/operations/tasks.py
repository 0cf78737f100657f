"""Own routes of single tasks."""

from app.api.operations.build import BODY_ERRORS, KEY_ERRORS, Described, operation, parameter, ref


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
    described = operation(
        "cancel",
        "Cancel a task",
        "A waiting task ends at once, a running one at its next step. Repeating it is fine; a task that "
        "ended otherwise is a conflict.",
        answer=ref("CancelView"),
        errors=(*BODY_ERRORS, 404, 409),
        parameters=[TASK_ID],
    )
    fields: Described = {
        "type": "object",
        "properties": {"ai_token": {"type": "string", "description": "The key, instead of the header."}},
        "additionalProperties": False,
    }
    described["requestBody"] = {"required": False, "content": {"application/json": {"schema": fields}}}
    return described


TASK_ID = parameter("path", "task_id", "Id of the task.", {"type": "string", "format": "uuid"}, required=True)
