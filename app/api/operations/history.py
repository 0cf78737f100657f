"""Own routes of many tasks: the history and its export."""

from app.api.history import DEFAULT_LIMIT, MAX_LIMIT
from app.api.operations.build import KEY_ERRORS, REQUEST_ID, Described, header, operation, parameter, ref
from app.domain.filters import ERROR_CODES, MAX_CHARS
from app.domain.params import TASK_TYPES
from app.domain.seeds import SEED_RANGE
from app.domain.task import TaskStatus


def paths() -> Described:
    """Return the routes of this file."""
    return {"/v1/tasks": {"get": _tasks()}, "/v1/tasks/export": {"get": _export()}}


def _tasks() -> Described:
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    return operation(
        "tasks",
        "List tasks",
        "In the order of submission. Filters are combined; labels are filters too: `label.<name>=<text>`. "
        "Unknown query parameters are an error. A page costs the same however deep it lies.",
        answer=ref("TaskPage"),
        errors=KEY_ERRORS,
        parameters=[
            *filters(),
            parameter("query", "order", "Newest or oldest first.", _choice("desc", "asc")),
            parameter("query", "limit", "Tasks in one page.", limit),
            parameter("query", "cursor", "`next_cursor` of the page before, of the same list.", _TEXT),
        ],
    )


def _export() -> Described:
    described = operation(
        "export",
        "Download a list of tasks",
        "Every task that the filters let through, oldest first, as it was at one moment: audit records, one "
        "a line, or a table with the columns of the list and `param.<name>`. One at a time for a team.",
        answer={},
        errors=(*KEY_ERRORS, 429),
        parameters=[
            *filters(),
            parameter("query", "format", "`ndjson` if it is not given.", _choice("ndjson", "csv")),
            parameter("query", "include", "Records with their events.", _choice("events")),
        ],
    )
    file: Described = {"application/x-ndjson": {"schema": {}}, "text/csv": {"schema": {}}}
    headers = REQUEST_ID | {"Content-Disposition": header(_TEXT), "Cache-Control": header(_TEXT)}
    described["responses"]["200"] = {"description": "The file.", "headers": headers, "content": file}
    return described


def filters() -> list[Described]:
    """Describe the filters that lists and exports share."""
    described = [
        parameter("query", name, about, {"type": "string", **schema})
        for name, about, schema in (
            ("task_type", "What was to be done.", {"enum": list(TASK_TYPES)}),
            ("model", "Diffusion model that runs the task.", {"maxLength": MAX_CHARS}),
            ("key_id", "Key that submitted it.", _UUID),
            ("created_after", "Submitted at this time or later.", _TIME),
            ("created_before", "Submitted before this time.", _TIME),
            ("finished_after", "Ended at this time or later.", _TIME),
            ("finished_before", "Ended before this time.", _TIME),
            ("error_code", "Why it failed.", {"enum": list(ERROR_CODES)}),
            ("q", "Words in prompt, lyrics or sample_query.", {"maxLength": MAX_CHARS, "pattern": r"\w"}),
            ("parent_id", "Retries and re-runs of this task.", _UUID),
            ("sha256", "Hash of an output or an input.", {"pattern": "^[0-9a-fA-F]{64}$"}),
            ("team", "Tasks of this team; needs the scope admin.", _UUID),
        )
    ]
    seed = {"type": "integer", "minimum": 0, "maximum": SEED_RANGE - 1}
    states = {"type": "array", "items": _choice(*TaskStatus)}
    return [
        parameter("query", "state", "One or more states.", states),
        parameter("query", "seed", "Seed of one of its clips.", seed),
        *described,
    ]


def _choice(*words: str) -> Described:
    return {"type": "string", "enum": [str(word) for word in words]}


_TEXT: Described = {"type": "string"}
_UUID: Described = {"format": "uuid"}
_TIME: Described = {"format": "date-time"}
