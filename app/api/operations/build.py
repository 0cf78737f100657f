"""Words of OpenAPI for one route: parameters, body, answers and errors."""

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
    429: "The queue is full or a quota is used up; try again after `Retry-After` seconds.",
    500: "Internal error.",
    503: "The database, the store or a language model is not available.",
}
"""Statuses of errors, with their meaning."""

KEY_ERRORS = (400, 401, 403)
BODY_ERRORS = (*KEY_ERRORS, 413, 415)
SERVER_ERRORS = (500, 503)
REQUEST_ID = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}

# `{}`: no header is needed in open mode, or beside `ai_token`.
OPTIONAL_KEY: list[dict[str, list[str]]] = [{"bearer": []}, {"plain": []}, {}]
PUBLIC: list[dict[str, list[str]]] = []

Described: TypeAlias = dict[str, Any]


def get(name: str, summary: str, shape: str) -> Described:
    """Describe a GET whose answer has a shape of that name."""
    return operation(name, summary, "", answer=ref(shape), errors=KEY_ERRORS)


def operation(
    name: str,
    summary: str,
    about: str,
    *,
    answer: Described,
    errors: Sequence[int],
    body: Described | None = None,
    parameters: Sequence[Described] = (),
) -> Described:
    """Describe one route and verb; errors of the server are always among its answers."""
    responses: Described = {"200": success(answer)}
    for status in (*errors, *SERVER_ERRORS):
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
    described: Described = {
        "operationId": name,
        "summary": summary,
        "security": OPTIONAL_KEY,
        "responses": responses,
    }
    if about:
        described["description"] = about
    if parameters:
        described["parameters"] = list(parameters)
    if body:
        described["requestBody"] = body
    return described


def success(answer: Described) -> Described:
    """Describe the envelope of a success around an answer."""
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
    return {"description": "Success.", "headers": REQUEST_ID, "content": content}


def body(*, json: str, form: str, multipart: str | None = None, required: bool = True) -> Described:
    """Describe a body in its three content types; the values are names of schemas."""
    kinds = {
        "application/json": json,
        "application/x-www-form-urlencoded": form,
        "multipart/form-data": multipart or form,
    }
    content = {media_type: {"schema": ref(name)} for media_type, name in kinds.items()}
    return {"required": required, "content": content}


def fields_body(fields: Described, *, required: Sequence[str] = ()) -> Described:
    """Describe a body of own routes: JSON with these fields only; missing where nothing is required."""
    token = {"ai_token": {"type": "string", "description": "The key, instead of the header."}}
    schema: Described = {"type": "object", "properties": fields | token, "additionalProperties": False}
    if required:
        schema["required"] = list(required)
    return {"required": bool(required), "content": {"application/json": {"schema": schema}}}


def idempotency_key() -> Described:
    """Describe the header that makes a repetition harmless."""
    about = (
        "1 to 255 printable characters. A repetition with the same key gets the first answer and "
        "`Idempotent-Replayed: true`; another request with it is a conflict."
    )
    schema = {"type": "string", "minLength": 1, "maxLength": 255, "examples": ["order-1"]}
    return parameter("header", "Idempotency-Key", about, schema)


def list_parameters() -> list[Described]:
    """Describe `limit` and `cursor` of a list."""
    limit = {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    return [
        parameter("query", "limit", "Items on one page.", limit),
        parameter("query", "cursor", "`next_cursor` of the page before.", {"type": "string"}),
    ]


def parameter(place: str, name: str, about: str, schema: Described, *, required: bool = False) -> Described:
    """Describe one parameter, `place` being query, path or header."""
    described = {"in": place, "name": name, "description": about, "schema": schema}
    return described | ({"required": True} if required else {})


def header(schema: Described) -> Described:
    """Describe a header that is always sent."""
    return {"required": True, "schema": schema}


def ref(name: str) -> Described:
    """Name a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}
