"""Own routes of keys; who is no admin sees and changes those of the own team only."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from litestar import Response, delete, get, patch, post

from app.api.context import HttpRequest, context_of
from app.api.door import behind, visit_of
from app.api.envelope import success
from app.api.lists import LIST_QUERY, shown, window_of
from app.api.tenant_shapes import KeyList, KeyView, NewKeyView
from app.domain.errors import ForbiddenError, NotFoundError, ValidationError
from app.domain.keys import Scope
from app.domain.task import parse_task_id
from app.services.keys import KEY_FIELDS

LONGEST_OVERLAP_H = 720
_DEFAULT_OVERLAP_H = 24


@get("/v1/keys", **behind(Scope.TEAM_MANAGE, query=("team", *LIST_QUERY)))
async def keys(request: HttpRequest) -> Response[bytes]:
    """List keys, ended ones too; an admin sees those of all teams, or of one."""
    by = visit_of(request).by
    named = request.query_params.get("team")
    if named is not None and not by.is_admin:
        raise ForbiddenError("team: only an admin key may name one")
    team = None if named is None else _uuid(named, "team")
    about = f"keys {by.reach or ''} {team or ''}"
    window = window_of(request, about)
    page = await context_of(request).services.keys.page(by, team=team, after=window.after, limit=window.limit)
    return success(KeyList(items=[KeyView.of(key) for key in page.items], **shown(request, page, about)))


@post("/v1/keys", status_code=200, **behind(Scope.TEAM_MANAGE, fields=("team_id", *KEY_FIELDS)))
async def create_key(request: HttpRequest) -> Response[bytes]:
    """Make a key and show it, this once."""
    visit = visit_of(request)
    fields = visit.fields
    for needed in ("name", "scopes"):
        if needed not in fields:
            raise ValidationError(f"{needed}: a key needs it")
    team = fields.get("team_id")
    made = await context_of(request).services.keys.create(
        visit.by,
        visit.caller.team_id if team is None else _uuid(team, "team_id"),
        name=fields["name"],
        scopes=fields["scopes"],
        expires_at=fields.get("expires_at"),
    )
    return success(NewKeyView.made(made))


@get("/v1/keys/{key_id:str}", **behind(Scope.TEAM_MANAGE))
async def key(request: HttpRequest) -> Response[bytes]:
    """Show a key without its text."""
    by = visit_of(request).by
    return success(KeyView.of(await context_of(request).services.keys.one(by, _key_id(request))))


@patch("/v1/keys/{key_id:str}", **behind(Scope.TEAM_MANAGE, fields=KEY_FIELDS))
async def change_key(request: HttpRequest) -> Response[bytes]:
    """Change name, rights or end of a key."""
    visit = visit_of(request)
    keys_ = context_of(request).services.keys
    return success(KeyView.of(await keys_.change(visit.by, _key_id(request), visit.fields)))


@delete("/v1/keys/{key_id:str}", status_code=200, **behind(Scope.TEAM_MANAGE))
async def revoke_key(request: HttpRequest) -> Response[bytes]:
    """End a key; it stays in the list."""
    by = visit_of(request).by
    return success(KeyView.of(await context_of(request).services.keys.revoke(by, _key_id(request))))


@post(
    "/v1/keys/{key_id:str}/rotate",
    status_code=200,
    **behind(Scope.TEAM_MANAGE, fields=("overlap_hours",)),
)
async def rotate_key(request: HttpRequest) -> Response[bytes]:
    """Make a successor and show it, this once; the old key ends after the overlap."""
    visit = visit_of(request)
    overlap = _overlap(visit.fields)
    keys_ = context_of(request).services.keys
    return success(NewKeyView.made(await keys_.rotate(visit.by, _key_id(request), overlap=overlap)))


def _overlap(fields: Mapping[str, Any]) -> timedelta:
    hours = fields.get("overlap_hours", _DEFAULT_OVERLAP_H)
    if isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 <= hours <= LONGEST_OVERLAP_H:
        raise ValidationError(f"overlap_hours: must be 0 to {LONGEST_OVERLAP_H}")
    return timedelta(hours=hours)


def _key_id(request: HttpRequest) -> str:
    id_ = parse_task_id(request.path_params["key_id"])
    if id_ is None:
        raise NotFoundError("key not found")
    return str(id_)


def _uuid(value: Any, name: str) -> UUID:
    id_ = parse_task_id(value) if isinstance(value, str) else None
    if id_ is None:
        raise ValidationError(f"{name}: must be the id of a team")
    return id_
