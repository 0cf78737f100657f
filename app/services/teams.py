"""Tenancy: teams and their limits. Every change is noted in the audit log."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.db.engine import Database
from app.db.unit_of_work import UnitOfWork
from app.domain.audit_log import changed
from app.domain.authority import Authority
from app.domain.errors import ConflictError, NotFoundError, ValidationError
from app.domain.page import Numbered, Page, page_of
from app.domain.task import Caller, TeamId
from app.domain.team_keys import Key
from app.domain.teams import LIMITS, Team, TeamLimits, check_narrower, read_team

DEFAULT_TEAM = "default"


class Teams:
    """The use cases of `/v1/teams` and of `acestep-service team`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, by: Authority, fields: Mapping[str, Any]) -> Team:
        """Make a team.

        Raises:
            ValidationError: no name, or a name or limit that cannot be.
            ConflictError: the name is taken.
        """
        values = read_team(fields)
        if "name" not in values:
            raise ValidationError("name: a team needs one")
        limits = TeamLimits(**{name: value for name, value in values.items() if name in LIMITS})
        async with self._database.transaction() as work:
            team = await work.teams.add(values["name"], limits, disabled=values.get("disabled", False))
            if team is None:
                raise ConflictError(f"a team named {values['name']} exists already")
            await work.audit.note(by.name, "team.created", f"team {team.id}", values)
        return team

    async def page(self, *, after: UUID | None = None, limit: int) -> Page[Team]:
        """One page of all teams, oldest first."""
        async with self._database.autocommit() as work:
            found = await work.teams.page(after=after, most=limit + 1)
        return page_of(found, limit, lambda team: team.id)

    async def all(self) -> list[Team]:
        """List every team, oldest first."""
        async with self._database.autocommit() as work:
            return await work.teams.page()

    async def one(self, team: TeamId | UUID | str) -> Team:
        """Show a team, by its internal number, its id or its name.

        Raises:
            NotFoundError: no such team.
        """
        async with self._database.autocommit() as work:
            return (await find_team(work, team)).item

    async def own(self, caller: Caller) -> tuple[Team, Key | None]:
        """Show the team of a caller, and the stored key that it uses."""
        async with self._database.autocommit() as work:
            team = await find_team(work, caller.team_id)
            return team.item, await work.keys.by_number(caller.key_id) if caller.key_id else None

    async def change(self, by: Authority, team: TeamId | UUID | str, fields: Mapping[str, Any]) -> Team:
        """Change some fields of a team; who is no admin can only lower the limits of the own one.

        Raises:
            ValidationError: a field or value that cannot be.
            ForbiddenError: only an admin may do this.
            NotFoundError: no such team.
            ConflictError: the name is taken, or this team must keep it.
        """
        values = read_team(fields)
        async with self._database.transaction() as work:
            found = await find_team(work, team)
            await work.teams.lock(found.number)
            found = await find_team(work, TeamId(found.number))
            before = found.item
            if not by.is_admin:
                check_narrower(before, values)
            _check_identity(by, found, values)
            difference = changed({name: getattr(before, name) for name in values}, values)
            if not difference:
                return before
            after = await work.teams.change(found.number, values)
            if after is None:
                raise ConflictError(f"a team named {values['name']} exists already")
            await work.audit.note(by.name, "team.changed", f"team {before.id}", difference)
        return after


async def find_team(work: UnitOfWork, team: TeamId | UUID | str) -> Numbered[Team]:
    """Find a team by its internal number, its id or its name.

    Raises:
        NotFoundError: no such team.
    """
    match team:
        case UUID():
            found, text = await work.teams.find(id_=team), "team not found"
        case str():
            found, text = await work.teams.find(name=team), f"there is no team named {team}"
        case _:
            found, text = await work.teams.find(number=team), "team not found"
    if found is None:
        raise NotFoundError(text)
    return found


def _check_identity(by: Authority, team: Numbered[Team], values: Mapping[str, Any]) -> None:
    """Refuse what would lock the service or the caller out."""
    if team.item.name == DEFAULT_TEAM and values.get("name", DEFAULT_TEAM) != DEFAULT_TEAM:
        raise ConflictError("the team default keeps its name: the operator's key belongs to it")
    if values.get("disabled") and by.team_id == team.number:
        raise ConflictError("a key cannot disable its own team")
