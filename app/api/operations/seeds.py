"""The routes that the ACE-Step API defines, and `/v1/model_inventory`."""

from app.api.operations.build import (
    BODY_ERRORS,
    ERRORS,
    KEY_ERRORS,
    PUBLIC,
    REQUEST_ID,
    Described,
    body,
    get,
    header,
    idempotency_key,
    operation,
    parameter,
    ref,
)
from app.domain.room import COUNTED


def paths() -> Described:
    """Return the routes of this file."""
    return {
        "/release_task": {"post": _release_task()},
        "/query_result": {"post": _query_result()},
        "/v1/audio": {"get": _audio(is_get=True), "head": _audio(is_get=False)},
        "/format_input": {"post": _format_input()},
        "/create_random_sample": {"post": _random_sample()},
        "/v1/models": {"get": get("models", "List the diffusion models", "ModelList")},
        "/v1/model_inventory": {"get": get("inventory", "List all models", "ModelInventory")},
        "/v1/stats": {"get": _stats()},
        "/health": {"get": _health()},
    }


def _release_task() -> Described:
    return operation(
        "release_task",
        "Submit a generation",
        "Stores a task and answers after the commit. Numbers outside their range are set to the nearest "
        "allowed value and recorded; a wrong choice is an error. An empty object is valid. `queue_position` "
        f"is an estimate where several teams wait, and above {COUNTED} the least that it can be.",
        answer=ref("AcceptedTask"),
        errors=(*BODY_ERRORS, 409, 429),
        body=body(json="ReleaseTask", form="ReleaseTaskForm", multipart="ReleaseTaskFiles"),
        parameters=[idempotency_key()],
    )


def _query_result() -> Described:
    return operation(
        "query_result",
        "Ask for the state of tasks",
        "One entry per id, in the order asked, duplicates included; an unknown id has status 2.",
        answer={"type": "array", "items": ref("Entry")},
        errors=BODY_ERRORS,
        body=body(json="QueryResult", form="QueryResultForm"),
    )


def _format_input() -> Described:
    return operation(
        "format_input",
        "Improve caption and lyrics",
        "Needs a language model: 503 where none is offered.",
        answer=ref("FormattedText"),
        errors=(*BODY_ERRORS, 429),
        body=body(json="FormatInput", form="FormatInputForm"),
    )


def _random_sample() -> Described:
    return operation(
        "create_random_sample",
        "Get an example to fill a form with",
        "Chosen uniformly from examples written for this project; the body may be missing.",
        answer=ref("SampleText"),
        errors=BODY_ERRORS,
        body=body(json="RandomSample", form="RandomSampleForm", required=False),
    )


def _stats() -> Described:
    described = get("stats", "Count tasks", "Statistics")
    about = "`team`: only the caller's team, where the caller would see all of them."
    described["parameters"] = [parameter("query", "scope", about, {"type": "string", "examples": ["team"]})]
    return described


def _health() -> Described:
    described = get("health", "See whether the service works", "Health")
    for status in ("401", "403"):
        del described["responses"][status]
    return described | {"security": PUBLIC}


def _audio(*, is_get: bool) -> Described:
    described = operation(
        "audio" if is_get else "audio_head",
        "Download a clip" if is_get else "Ask for size and tag of a clip",
        "`path` stands in the `file` of a result. The bytes are streamed, never redirected.",
        answer={},
        errors=(*KEY_ERRORS, 404, 416) if is_get else (*KEY_ERRORS, 404),
        parameters=[
            parameter("query", "path", "Key of the clip, a leading `/` allowed.", _AUDIO_KEY, required=True),
            parameter("query", "download", "Save under this name.", {"type": "string"}),
            *([parameter("header", "Range", "One byte range.", _RANGE)] if is_get else []),
            parameter("header", "If-None-Match", "Tags that the client has.", {"type": "string"}),
        ],
    )
    described["responses"] |= _audio_answers(is_get=is_get)
    if not is_get:
        for answer in ERRORS:
            if str(answer) in described["responses"]:
                described["responses"][str(answer)] = {"description": ERRORS[answer], "headers": REQUEST_ID}
    return described


def _audio_answers(*, is_get: bool) -> Described:
    content: Described = {"content": {mime: {"schema": {}} for mime in _AUDIO_TYPES}} if is_get else {}
    headers = REQUEST_ID | {name: header(schema) for name, schema in _AUDIO_HEADERS.items()}
    whole = {"200": {"description": "The clip.", "headers": headers} | content}
    unchanged = {"304": {"description": "The client has it already.", "headers": REQUEST_ID}}
    if not is_get:
        return whole | unchanged
    span = {"Content-Range": header({"type": "string", "pattern": "^bytes [0-9]+-[0-9]+/[0-9]+$"})}
    part = {"206": {"description": "The range.", "headers": headers | span} | content}
    return whole | part | unchanged


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
