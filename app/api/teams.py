"""Own routes of teams: for admins, and for a team itself."""

from uuid import UUID

from litestar import Response, get, patch, post

from app.api.context import HttpRequest, context_of
from app.api.door import behind, visit_of
from app.api.envelope import success
from app.api.lists import LIST_QUERY, shown, window_of
from app.api.tenant_shapes import OwnTeam, TeamList, TeamView
from app.domain.errors import NotFoundError
from app.domain.keys import Scope
from app.domain.task import parse_task_id
from app.domain.teams import TEAM_FIELDS


@get("/v1/teams", **behind(Scope.ADMIN, query=LIST_QUERY))
async def teams(request: HttpRequest) -> Response[bytes]:
    """List all teams."""
    window = window_of(request, "teams")
    page = await context_of(request).services.teams.page(after=window.after or 0, limit=window.limit)
    return success(
        TeamList(items=[TeamView.of(team) for team in page.items], **shown(request, page, "teams"))
    )


@post("/v1/teams", status_code=200, **behind(Scope.ADMIN, fields=TEAM_FIELDS))
async def create_team(request: HttpRequest) -> Response[bytes]:
    """Make a team."""
    visit = visit_of(request)
    return success(TeamView.of(await context_of(request).services.teams.create(visit.by, visit.fields)))


@get("/v1/teams/me", **behind(None))
async def own_team(request: HttpRequest) -> Response[bytes]:
    """Show the caller's team, and what the caller may do."""
    caller = visit_of(request).caller
    team, key = await context_of(request).services.teams.own(caller)
    return success(OwnTeam.to(caller, team, key))


@patch("/v1/teams/me", **behind(Scope.TEAM_MANAGE, fields=TEAM_FIELDS))
async def change_own_team(request: HttpRequest) -> Response[bytes]:
    """Lower limits of the caller's team; an admin changes all of it."""
    visit = visit_of(request)
    teams_ = context_of(request).services.teams
    return success(TeamView.of(await teams_.change(visit.by, visit.caller.team_id, visit.fields)))


@get("/v1/teams/{team_id:str}", **behind(Scope.ADMIN))
async def team(request: HttpRequest) -> Response[bytes]:
    """Show a team."""
    return success(TeamView.of(await context_of(request).services.teams.one(_team_id(request))))


@patch("/v1/teams/{team_id:str}", **behind(Scope.ADMIN, fields=TEAM_FIELDS))
async def change_team(request: HttpRequest) -> Response[bytes]:
    """Change limits, name and state of a team."""
    visit = visit_of(request)
    teams_ = context_of(request).services.teams
    return success(TeamView.of(await teams_.change(visit.by, _team_id(request), visit.fields)))


def _team_id(request: HttpRequest) -> UUID:
    id_ = parse_task_id(request.path_params["team_id"])
    if id_ is None:
        raise NotFoundError("team not found")
    return id_
