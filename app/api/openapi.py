"""GET /openapi.json: the OpenAPI 3.1 document, made of the parameter table and the shapes of the answers."""

from functools import lru_cache
from typing import Any

import msgspec
from litestar import Response, get

from app.api import admin_shapes, parameter_schema, shapes, tenant_shapes
from app.api.config import HttpConfig
from app.api.context import HttpRequest, context_of
from app.api.envelope import Failure
from app.api.operations import ERRORS, paths
from app.api.usage import UsageList
from app.api.webhook_fields import EndpointPatch, NewEndpoint, Rotation
from app.domain import endpoints
from app.domain.aliases import TOKEN_FIELD
from app.domain.listed import TaskPage
from app.domain.record import Record
from app.domain.result import ClipItem, Entry, StateItem
from app.domain.stream import TaskNews
from app.services import CancelView, ErasedView

_REF = "#/components/schemas/{name}"
_SHAPES = (
    shapes.AcceptedTask,
    shapes.Statistics,
    shapes.Health,
    shapes.ModelList,
    shapes.ModelInventory,
    shapes.SampleText,
    shapes.FormattedText,
    Record,
    CancelView,
    tenant_shapes.TeamList,
    tenant_shapes.OwnTeam,
    tenant_shapes.KeyList,
    tenant_shapes.NewKeyView,
    UsageList,
    admin_shapes.AdminStatus,
    admin_shapes.WorkerList,
    admin_shapes.AuditList,
    admin_shapes.PauseView,
    admin_shapes.DrainView,
    admin_shapes.Traces,
    ErasedView,
    TaskPage,
    endpoints.EndpointList,
    endpoints.DeliveryPage,
    endpoints.Deleted,
    endpoints.TeamSecret,
    TaskNews,
    Entry,
    ClipItem,
    StateItem,
    Failure,
)
_FIELDS = (NewEndpoint, EndpointPatch, Rotation)
_ABOUT = """Submit music generation, poll, download.

Every answer but audio is one JSON object: `data`, `code`, `error`, `timestamp`, `extra`; errors carry the
same text under `error` and `detail`. All routes also answer below `/api`. Without any key the service is
open; else the key stands in the `Authorization` header, with or without `Bearer`, or in the body field
`ai_token`."""


@get("/openapi.json")
async def openapi_json(request: HttpRequest) -> Response[bytes]:
    """Send the document; it needs no key."""
    content = _encoded(context_of(request).config)
    return Response(content, media_type="application/json", headers={"Cache-Control": "no-cache"})


@lru_cache(maxsize=4)
def _encoded(config: HttpConfig) -> bytes:
    return msgspec.json.encode(document(config))


def document(config: HttpConfig) -> dict[str, Any]:
    """Return the whole document; ranges and lengths are those of this installation."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ACE-Step API",
            "version": config.release,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}, {"url": "/api"}],
        "paths": paths(),
        "components": {
            "schemas": _schemas(config),
            "responses": {str(status): _error(about) for status, about in ERRORS.items()},
            "headers": {"RequestId": _REQUEST_ID},
            "securitySchemes": _SECURITY,
        },
    }


def _schemas(config: HttpConfig) -> dict[str, Any]:
    shaped: dict[str, Any] = msgspec.json.schema_components(_SHAPES, ref_template=_REF)[1]
    for schema in shaped.values():
        schema["required"] = list(schema.get("properties", ()))  # every key is always sent
    shaped["TaskNews"]["required"].remove("team_id")
    shaped["Entry"]["properties"]["result"] = _RESULT_TEXT
    return shaped | _fields() | _bodies(config)


def _fields() -> dict[str, Any]:
    """Bodies of our own routes; each may hold the key."""
    shaped: dict[str, Any] = msgspec.json.schema_components(_FIELDS, ref_template=_REF)[1]
    for schema in shaped.values():
        schema["properties"][TOKEN_FIELD] = {
            "type": "string",
            "description": "The key, instead of the header.",
        }
    return shaped


def _bodies(config: HttpConfig) -> dict[str, Any]:
    limits = config.limits
    return {
        "ReleaseTask": parameter_schema.release_task(limits, is_form=False),
        "ReleaseTaskForm": parameter_schema.release_task(limits, is_form=True),
        "ReleaseTaskFiles": parameter_schema.release_task_multipart(limits),
        "QueryResult": parameter_schema.query_result(config.max_query_ids, is_form=False),
        "QueryResultForm": parameter_schema.query_result(config.max_query_ids, is_form=True),
        "RerunTask": parameter_schema.rerun(limits),
        "TaskChanges": parameter_schema.task_changes(limits),
        "OnlyToken": parameter_schema.only_token(),
        "RandomSample": parameter_schema.random_sample(is_form=False),
        "RandomSampleForm": parameter_schema.random_sample(is_form=True),
        "FormatInput": parameter_schema.format_input(limits, is_form=False),
        "FormatInputForm": parameter_schema.format_input(limits, is_form=True),
    }


def _error(about: str) -> dict[str, Any]:
    return {
        "description": about,
        "headers": {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}},
        "content": {"application/json": {"schema": {"$ref": _REF.format(name="Failure")}}},
    }


_REQUEST_ID = {
    "description": "Id of this request: the one sent, or a new one.",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
}

_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer <key>`"},
    "plain": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Authorization: <key>`",
    },
}

_RESULT_TEXT = {
    "type": "string",
    "description": "JSON text of a list: one item per clip of a succeeded task, else one item.",
    "contentMediaType": "application/json",
    "contentSchema": {
        "type": "array",
        "minItems": 1,
        "items": {"anyOf": [{"$ref": _REF.format(name=name)} for name in ("ClipItem", "StateItem")]},
    },
}
