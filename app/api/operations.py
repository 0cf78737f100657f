"""Each route in words of OpenAPI: parameters, body, answers and errors."""

from collections.abc import Sequence
from typing import Any, TypeAlias

ERRORS = {
    400: "The request is malformed: a broken body, a wrong choice, a too long text.",
    401: "No key, or one that is not valid.",
    403: "The key is valid but lacks the scope.",
    404: "Unknown, or of another team.",
    409: "The state of the object does not allow this.",
    413: "The body or one of its files is too large.",
    415: "The content type is not supported.",
    416: "The range begins behind the end of the file.",
    429: "The queue is full; try again after `Retry-After` seconds.",
    500: "Internal error.",
    503: "The database, the store or a language model is not available.",
}
"""Statuses of errors, with their meaning."""

_KEY_ERRORS = (400, 401, 403)
_BODY_ERRORS = (*_KEY_ERRORS, 413, 415)
_SERVER_ERRORS = (500, 503)
_REQUEST_ID = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}

# `{}`: no header is needed in open mode, or beside `ai_token`.
_OPTIONAL_KEY: list[dict[str, list[str]]] = [{"bearer": []}, {"plain": []}, {}]
_PUBLIC: list[dict[str, list[str]]] = []

Described: TypeAlias = dict[str, Any]


def paths() -> Described:
    """Return every route, as it is found below `/` and below `/api`."""
    return {
        "/release_task": {"post": _release_task()},
        "/query_result": {"post": _query_result()},
        "/v1/audio": {"get": _audio(is_get=True), "head": _audio(is_get=False)},
        "/format_input": {"post": _format_input()},
        "/create_random_sample": {"post": _random_sample()},
        "/v1/models": {"get": _get("models", "List the diffusion models", "ModelList")},
        "/v1/model_inventory": {"get": _get("inventory", "List all models", "ModelInventory")},
        "/v1/stats": {"get": _stats()},
        "/v1/tasks/{task_id}": {"get": _task()},
        "/v1/tasks/{task_id}/cancel": {"post": _cancel()},
        "/health": {"get": _health()},
    }


def _release_task() -> Described:
    return _operation(
        "release_task",
        "Submit a generation",
        "Stores a task and answers after the commit. Numbers outside their range are set to the nearest "
        "allowed value and recorded; a wrong choice is an error. An empty object is valid.",
        answer=_ref("AcceptedTask"),
        errors=(*_BODY_ERRORS, 409, 429),
        body=_body(json="ReleaseTask", form="ReleaseTaskForm", multipart="ReleaseTaskFiles"),
    )


def _query_result() -> Described:
    return _operation(
        "query_result",
        "Ask for the state of tasks",
        "One entry per id, in the order asked, duplicates included; an unknown id has status 2.",
        answer={"type": "array", "items": _ref("Entry")},
        errors=_BODY_ERRORS,
        body=_body(json="QueryResult", form="QueryResultForm"),
    )


def _format_input() -> Described:
    return _operation(
        "format_input",
        "Improve caption and lyrics",
        "Needs a language model: 503 where none is offered.",
        answer=_ref("FormattedText"),
        errors=(*_BODY_ERRORS, 429),
        body=_body(json="FormatInput", form="FormatInputForm"),
    )


def _random_sample() -> Described:
    return _operation(
        "create_random_sample",
        "Get an example to fill a form with",
        "Chosen uniformly from examples written for this project; the body may be missing.",
        answer=_ref("SampleText"),
        errors=_BODY_ERRORS,
        body=_body(json="RandomSample", form="RandomSampleForm", required=False),
    )


def _stats() -> Described:
    described = _get("stats", "Count tasks", "Statistics")
    about = "`team`: only the caller's team, where the caller would see all of them."
    described["parameters"] = [_parameter("query", "scope", about, {"type": "string", "examples": ["team"]})]
    return described


def _task() -> Described:
    return _operation(
        "task",
        "Show the audit record of a task",
        "What is not known is null or empty. Unknown query parameters are an error.",
        answer=_ref("Record"),
        errors=(*_KEY_ERRORS, 404),
        parameters=[_TASK_ID],
    )


def _cancel() -> Described:
    described = _operation(
        "cancel",
        "Cancel a task",
        "A waiting task ends at once, a running one at its next step. Repeating it is fine; a task that "
        "ended otherwise is a conflict.",
        answer=_ref("CancelView"),
        errors=(*_BODY_ERRORS, 404, 409),
        parameters=[_TASK_ID],
    )
    fields: Described = {
        "type": "object",
        "properties": {"ai_token": {"type": "string", "description": "The key, instead of the header."}},
        "additionalProperties": False,
    }
    described["requestBody"] = {"required": False, "content": {"application/json": {"schema": fields}}}
    return described


def _health() -> Described:
    described = _get("health", "See whether the service works", "Health")
    for status in ("401", "403"):
        del described["responses"][status]
    return described | {"security": _PUBLIC}


def _audio(*, is_get: bool) -> Described:
    described = _operation(
        "audio" if is_get else "audio_head",
        "Download a clip" if is_get else "Ask for size and tag of a clip",
        "`path` stands in the `file` of a result. The bytes are streamed, never redirected.",
        answer={},
        errors=(*_KEY_ERRORS, 404, 416) if is_get else (*_KEY_ERRORS, 404),
        parameters=[
            _parameter("query", "path", "Key of the clip, a leading `/` allowed.", _AUDIO_KEY, required=True),
            _parameter("query", "download", "Save under this name.", {"type": "string"}),
            *([_parameter("header", "Range", "One byte range.", _RANGE)] if is_get else []),
            _parameter("header", "If-None-Match", "Tags that the client has.", {"type": "string"}),
        ],
    )
    described["responses"] |= _audio_answers(is_get=is_get)
    if not is_get:
        for answer in ERRORS:
            if str(answer) in described["responses"]:
                described["responses"][str(answer)] = {"description": ERRORS[answer], "headers": _REQUEST_ID}
    return described


def _audio_answers(*, is_get: bool) -> Described:
    content: Described = {"content": {mime: {"schema": {}} for mime in _AUDIO_TYPES}} if is_get else {}
    headers = _REQUEST_ID | {name: _header(schema) for name, schema in _AUDIO_HEADERS.items()}
    whole = {"200": {"description": "The clip.", "headers": headers} | content}
    unchanged = {"304": {"description": "The client has it already.", "headers": _REQUEST_ID}}
    if not is_get:
        return whole | unchanged
    span = {"Content-Range": _header({"type": "string", "pattern": "^bytes [0-9]+-[0-9]+/[0-9]+$"})}
    part = {"206": {"description": "The range.", "headers": headers | span} | content}
    return whole | part | unchanged


def _get(name: str, summary: str, shape: str) -> Described:
    return _operation(name, summary, "", answer=_ref(shape), errors=_KEY_ERRORS)


def _operation(
    name: str,
    summary: str,
    about: str,
    *,
    answer: Described,
    errors: Sequence[int],
    body: Described | None = None,
    parameters: Sequence[Described] = (),
) -> Described:
    responses: Described = {"200": _success(answer)}
    for status in (*errors, *_SERVER_ERRORS):
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
    described: Described = {
        "operationId": name,
        "summary": summary,
        "security": _OPTIONAL_KEY,
        "responses": responses,
    }
    if about:
        described["description"] = about
    if parameters:
        described["parameters"] = list(parameters)
    if body:
        described["requestBody"] = body
    return described


def _success(answer: Described) -> Described:
    envelope = {
        "type": "object",
        "properties": {
            "data": answer,
            "code": {"const": 200},
            "error": {"type": "null"},
            "timestamp": {"type": "integer", "description": "Milliseconds since 1970."},
            "extra": {"type": "null"},
        },
        "required": ["data", "code", "error", "timestamp", "extra"],
        "additionalProperties": False,
    }
    content = {"application/json": {"schema": envelope}}
    return {"description": "Success.", "headers": _REQUEST_ID, "content": content}


def _body(*, json: str, form: str, multipart: str | None = None, required: bool = True) -> Described:
    kinds = {
        "application/json": json,
        "application/x-www-form-urlencoded": form,
        "multipart/form-data": multipart or form,
    }
    content = {media_type: {"schema": _ref(name)} for media_type, name in kinds.items()}
    return {"required": required, "content": content}


def _parameter(place: str, name: str, about: str, schema: Described, *, required: bool = False) -> Described:
    described = {"in": place, "name": name, "description": about, "schema": schema}
    return described | ({"required": True} if required else {})


def _header(schema: Described) -> Described:
    return {"required": True, "schema": schema}


def _ref(name: str) -> Described:
    return {"$ref": f"#/components/schemas/{name}"}


_TASK_ID = _parameter(
    "path", "task_id", "Id of the task.", {"type": "string", "format": "uuid"}, required=True
)
_AUDIO_TYPES = ("audio/mpeg", "audio/wav", "audio/flac", "audio/ogg")
_AUDIO_KEY: Described = {"type": "string", "examples": ["audio/0c5e0c5e0c5e0c5e0c5e0c5e0c5e0c5e.mp3"]}
_RANGE: Described = {"type": "string", "examples": ["bytes=0-1023"]}
_AUDIO_HEADERS: dict[str, Described] = {
    "Accept-Ranges": {"const": "bytes"},
    "Content-Length": {"type": "integer"},
    "ETag": {"type": "string", "pattern": '^"[0-9a-f]{64}"$'},
    "Last-Modified": {"type": "string"},
    "Cache-Control": {"type": "string"},
    "X-Content-Type-Options": {"const": "nosniff"},
}
