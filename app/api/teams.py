"""Own routes of teams: for admins, and for a team itself."""

from uuid import UUID

from litestar import Response, get, patch, post

from app.api.context import HttpRequest, context_of
from app.api.door import OWN, behind, behind_team, visit_of
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
    page = await context_of(request).services.teams.page(after=window.after, limit=window.limit)
    return success(
        TeamList(items=[TeamView.of(team) for team in page.items], **shown(request, page, "teams"))
    )


@post("/v1/teams", status_code=200, **behind(Scope.ADMIN, fields=TEAM_FIELDS))
async def create_team(request: HttpRequest) -> Response[bytes]:
    """Make a team."""
    visit = visit_of(request)
    return success(TeamView.of(await context_of(request).services.teams.create(visit.by, visit.fields)))


@get("/v1/teams/{team_id:str}", **behind_team(Scope.ADMIN, own=None))
async def team(request: HttpRequest) -> Response[bytes]:
    """Show a team; the own one also with what the caller may do."""
    services, caller = context_of(request).services, visit_of(request).caller
    if _is_own(request):
        own, key = await services.teams.own(caller)
        return success(OwnTeam.to(caller, own, key))
    return success(TeamView.of(await services.teams.one(_team_id(request))))


@patch("/v1/teams/{team_id:str}", **behind_team(Scope.ADMIN, own=Scope.TEAM_MANAGE, fields=TEAM_FIELDS))
async def change_team(request: HttpRequest) -> Response[bytes]:
    """Change a team; who is no admin can only lower limits of the own one."""
    visit = visit_of(request)
    team_id = visit.caller.team_id if _is_own(request) else _team_id(request)
    changed = await context_of(request).services.teams.change(visit.by, team_id, visit.fields)
    return success(TeamView.of(changed))


def _is_own(request: HttpRequest) -> bool:
    return bool(request.path_params["team_id"] == OWN)


def _team_id(request: HttpRequest) -> UUID:
    id_ = parse_task_id(request.path_params["team_id"])
    if id_ is None:
        raise NotFoundError("team not found")
    return id_
