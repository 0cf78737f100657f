"""Server-sent events."""

from typing import Any

from app.api.operations.build import KEY_ERRORS, Described, operation, parameter
from app.api.operations.tasks import TASK_ID

_ABOUT = (
    "Events `state` and `progress` with `data` of the shape `TaskNews`. `id` goes into `Last-Event-ID` of "
    "the next request: states since then are told first, progress is not. A comment comes every 15 seconds."
)


def paths() -> Described:
    """Return the routes of this file."""
    return {
        "/v1/tasks/{task_id}/stream": {"get": _task()},
        "/v1/tasks/stream": {"get": _team()},
    }


def _task() -> Described:
    about = f"The first event is the present state, the last one the final state. {_ABOUT}"
    return _streamed(
        operation(
            "task_stream",
            "Follow a task",
            about,
            answer={},
            errors=(*KEY_ERRORS, 404, 429),
            parameters=[TASK_ID, _LAST_ID],
        )
    )


def _team() -> Described:
    about = f"First what waits and runs now; of all teams with an admin's key. {_ABOUT}"
    return _streamed(
        operation(
            "team_stream",
            "Follow all tasks",
            about,
            answer={},
            errors=(*KEY_ERRORS, 429),
            parameters=[_LAST_ID],
        )
    )


def _streamed(described: Described) -> Described:
    answer: dict[str, Any] = described["responses"]["200"]
    answer["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    answer["description"] = "The stream."
    return described


_LAST_ID = parameter("header", "Last-Event-ID", "The last event that was seen.", {"type": "string"})
