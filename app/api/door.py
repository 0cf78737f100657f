"""The door of own routes: the table of routes says who may pass, and one hook asks before any handler."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from app.api.context import HttpRequest, context_of
from app.api.strict import read_fields, refuse_unknown
from app.domain.aliases import TOKEN_FIELD
from app.domain.authority import Authority
from app.domain.keys import Scope
from app.domain.task import Caller

WITH_BODY = ("POST", "PATCH")
OWN = "me"
"""In the place of a team's id: the team of the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What a route asks for.

    Attributes:
        scope: the right that a key needs.
        own_scope: the right where the address says `me`, the own team; None = any valid key.
        query, fields: names that may be sent.
    """

    scope: Scope
    own_scope: Scope | None
    query: Collection[str] = ()
    fields: Collection[str] = ()

    def needs(self, path: Mapping[str, Any]) -> Scope | None:
        """The right for an address with these parameters."""
        return self.own_scope if path.get("team_id") == OWN else self.scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request that passed: who asks, and the fields of the body."""

    caller: Caller
    fields: Mapping[str, Any]

    @property
    def by(self) -> Authority:
        """On whose behalf something is changed."""
        return Authority.of(self.caller)


def behind(scope: Scope, *, query: Collection[str] = (), fields: Collection[str] = ()) -> dict[str, Any]:
    """Arguments that put a route behind its door."""
    return _behind(Door(scope=scope, own_scope=scope, query=query, fields=fields))


def behind_team(scope: Scope, *, own: Scope | None, fields: Collection[str] = ()) -> dict[str, Any]:
    """Arguments that put a route of one team behind its door; the own team is `me`."""
    return _behind(Door(scope=scope, own_scope=own, fields=fields))


def _behind(door: Door) -> dict[str, Any]:
    return {"opt": {"door": door}, "before_request": _admit}


def visit_of(request: HttpRequest) -> Visit:
    """Return who passed the door with this request."""
    visit = request.scope["state"]["visit"]
    assert isinstance(visit, Visit)
    return visit


async def _admit(request: HttpRequest) -> None:
    """Let a request pass, or answer as the door says.

    Raises:
        UnauthorizedError, ForbiddenError: no key, a wrong one, or one without the right.
        ValidationError: a name that the route does not know; told only to those who may pass.
    """
    door: Door = request.route_handler.opt["door"]
    auth, scope = context_of(request).auth, door.needs(request.path_params)
    authorization = request.headers.get("authorization")
    fields: dict[str, Any] = {}
    if request.method in WITH_BODY:
        fields = await read_fields(request)
        caller = await auth.by_body(fields, authorization, scope)
    else:
        caller = await auth.by_header(authorization, scope)
    refuse_unknown("query parameter", request.query_params, known=door.query)
    refuse_unknown("field", fields, known=door.fields)
    fields.pop(TOKEN_FIELD, None)
    request.scope["state"]["visit"] = Visit(caller=caller, fields=fields)
