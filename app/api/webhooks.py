"""Webhook endpoints of a team, their deliveries, and the team's own signing secret."""

from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import msgspec
from litestar import Response, delete, get, patch, post

from app.api.context import HttpRequest, context_of
from app.api.envelope import success
from app.api.strict import read_fields, read_struct, refuse_unknown
from app.api.webhook_fields import EndpointPatch, NewEndpoint, Rotation
from app.domain.endpoints import DELIVERY_STATES, DeliveryState
from app.domain.errors import ValidationError
from app.domain.keys import Scope
from app.domain.task import Caller, TaskId, parse_id, parse_task_id

Fields = TypeVar("Fields", bound=msgspec.Struct)

_ENDPOINTS = "/v1/teams/{team_id:str}/webhooks"
_ENDPOINT = _ENDPOINTS + "/{webhook_id:str}"
_MOST_ITEMS, _USUAL_ITEMS = 200, 50


@get(_ENDPOINTS)
async def webhooks(request: HttpRequest) -> Response[bytes]:
    """List the endpoints of a team."""
    caller = await _reader(request)
    refuse_unknown("query parameter", request.query_params)
    return success(await context_of(request).services.webhooks.endpoints(caller, _team(request)))


@post(_ENDPOINTS, status_code=200)
async def add_webhook(request: HttpRequest) -> Response[bytes]:
    """Make an endpoint and show its secret."""
    caller, fields = await _writer(request, NewEndpoint)
    return success(await context_of(request).services.webhooks.add(caller, _team(request), fields.change()))


@patch(_ENDPOINT)
async def change_webhook(request: HttpRequest) -> Response[bytes]:
    """Change an endpoint, or rotate its secret."""
    caller, fields = await _writer(request, EndpointPatch)
    changed = await context_of(request).services.webhooks.change(
        caller, _team(request), _id(request, "webhook_id"), fields.change()
    )
    return success(changed)


@delete(_ENDPOINT, status_code=200)
async def delete_webhook(request: HttpRequest) -> Response[bytes]:
    """Delete an endpoint and what it was still to be told."""
    caller = await _reader(request)
    refuse_unknown("query parameter", request.query_params)
    gone = await context_of(request).services.webhooks.delete(
        caller, _team(request), _id(request, "webhook_id")
    )
    return success(gone)


@get(f"{_ENDPOINT}/deliveries")
async def deliveries(request: HttpRequest) -> Response[bytes]:
    """List what an endpoint was told, the newest first."""
    caller = await _reader(request)
    refuse_unknown("query parameter", request.query_params, known=("limit", "cursor"))
    page = await context_of(request).services.webhooks.deliveries(
        caller,
        _team(request),
        _id(request, "webhook_id"),
        cursor=_cursor(request),
        limit=_limit(request),
    )
    return success(page)


@get(f"{_ENDPOINTS}/deliveries")
async def all_deliveries(request: HttpRequest) -> Response[bytes]:
    """List what a team was told, to the webhooks of single tasks too."""
    caller = await _reader(request)
    refuse_unknown("query parameter", request.query_params, known=("state", "task_id", "limit", "cursor"))
    page = await context_of(request).services.webhooks.all_deliveries(
        caller,
        _team(request),
        state=_state(request),
        task_id=_task(request),
        cursor=_cursor(request),
        limit=_limit(request),
    )
    return success(page)


@post(f"{_ENDPOINTS}/deliveries/{{delivery_id:str}}/redeliver", status_code=200)
async def redeliver(request: HttpRequest) -> Response[bytes]:
    """Send an event once more, under the same event id."""
    caller, _ = await _writer(request, _Nothing)
    again = await context_of(request).services.webhooks.redeliver(
        caller, _team(request), _id(request, "delivery_id")
    )
    return success(again)


@post("/v1/teams/{team_id:str}/webhook-secret", status_code=200)
async def rotate_webhook_secret(request: HttpRequest) -> Response[bytes]:
    """Make a new secret for the webhooks of single tasks, and show it."""
    caller, fields = await _writer(request, Rotation)
    made = await context_of(request).services.webhooks.rotate_team_secret(
        caller, _team(request), overlap=timedelta(hours=fields.overlap_hours)
    )
    return success(made)


class _Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body without fields."""


async def _reader(request: HttpRequest) -> Caller:
    authorization = request.headers.get("authorization")
    return await context_of(request).auth.by_header(authorization, Scope.TEAM_MANAGE)


async def _writer(request: HttpRequest, shape: type[Fields]) -> tuple[Caller, Fields]:
    """The caller and the body, which is read strictly once the key was accepted."""
    given = await read_fields(request)
    authorization = request.headers.get("authorization")
    caller = await context_of(request).auth.by_body(given, authorization, Scope.TEAM_MANAGE)
    refuse_unknown("query parameter", request.query_params)
    return caller, read_struct(given, shape)


def _team(request: HttpRequest) -> str:
    return str(request.path_params["team_id"])


def _id(request: HttpRequest, name: str) -> UUID | None:
    return parse_id(request.path_params[name])


def _state(request: HttpRequest) -> DeliveryState | None:
    given = request.query_params.get("state")
    found: DeliveryState | None = next((state for state in DELIVERY_STATES if state == given), None)
    if found is None and given is not None:
        raise ValidationError(f"state must be one of {', '.join(DELIVERY_STATES)}")
    return found


def _task(request: HttpRequest) -> TaskId | None:
    text = request.query_params.get("task_id")
    task_id = None if text is None else parse_task_id(text)
    if task_id is None and text is not None:
        raise ValidationError("task_id must be the id of a task")
    return task_id


def _cursor(request: HttpRequest) -> UUID | None:
    text = request.query_params.get("cursor")
    if text is None:
        return None
    cursor = parse_id(text)
    if cursor is None:
        raise ValidationError("cursor is not one of this list")
    return cursor


def _limit(request: HttpRequest) -> int:
    text = request.query_params.get("limit", str(_USUAL_ITEMS))
    if not (text.isdecimal() and text.isascii() and len(text) < 4 and 1 <= int(text) <= _MOST_ITEMS):
        raise ValidationError(f"limit must be 1 to {_MOST_ITEMS}")
    return int(text)
