"""Teams: made with their counters, listed, and changed."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.page import Numbered
from app.domain.task import TeamId
from app.domain.teams import LIMITS, Team, TeamLimits

_LIMITS_SQL = ", ".join(LIMITS)
_SHOWN = f"public_id AS id, name, {_LIMITS_SQL}, disabled_at IS NOT NULL AS disabled, created_at"


def _value(name: str) -> str:
    return "CAST(:allowed_models AS text[])" if name == "allowed_models" else f":{name}"


_INSERT = text(f"""
WITH team AS (
    INSERT INTO teams (name, disabled_at, {_LIMITS_SQL})
    VALUES (:name, CASE WHEN CAST(:disabled AS bool) THEN now() END,
            {", ".join(_value(name) for name in LIMITS)})
    ON CONFLICT (name) DO NOTHING
    RETURNING *
), counters AS (
    INSERT INTO team_state (team_id) SELECT id FROM team
)
SELECT {_SHOWN} FROM team
""")  # noqa: S608 - parts of this file only

_PAGE = text(f"""
SELECT {_SHOWN} FROM teams
WHERE teams.id > coalesce((SELECT id FROM teams WHERE public_id = CAST(:after AS uuid)), 0)
ORDER BY teams.id LIMIT CAST(:most AS int)
""")  # noqa: S608

_FIND = text(f"""
SELECT teams.id AS number, {_SHOWN} FROM teams
WHERE teams.id = CAST(:number AS bigint) OR public_id = CAST(:id AS uuid) OR name = CAST(:name AS text)
""")  # noqa: S608
# Not FOR UPDATE: tasks that refer to the team may be stored meanwhile.
_LOCK = text("SELECT FROM teams WHERE id = :number FOR NO KEY UPDATE")

# A turn that was given for another weight does not hold the team back, and times without service are over.
_NEW_TURNS = text("""
UPDATE team_state s SET turn_end = least(s.turn_end, s.turn_start + 1 / CAST(t.weight AS float8)),
                        still_waiting = FALSE
FROM teams t WHERE t.id = s.team_id AND s.team_id = :number
""")

_LIMITS_OF = text(f"SELECT {_LIMITS_SQL} FROM teams WHERE id = :id")  # noqa: S608


class Teams:
    """Statements on the `teams` table."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, name: str, limits: TeamLimits, *, disabled: bool = False) -> Team | None:
        """Insert a team and its counters; None if the name is taken."""
        values = {"name": name, "disabled": disabled, **limits.columns()}
        row = (await self._connection.execute(_INSERT, values)).first()
        return Team(**row._mapping) if row else None

    async def page(self, *, after: UUID | None = None, most: int | None = None) -> list[Team]:
        """Teams made after one of them, oldest first; `most` None = all of them."""
        rows = await self._connection.execute(_PAGE, {"after": after, "most": most})
        return [Team(**row._mapping) for row in rows]

    async def find(
        self, *, number: TeamId | None = None, id_: UUID | None = None, name: str | None = None
    ) -> Numbered[Team] | None:
        """One team, by its internal number, its id or its name."""
        values = {"number": number, "id": id_, "name": name}
        row = (await self._connection.execute(_FIND, values)).first()
        return _numbered(row._mapping) if row else None

    async def lock(self, number: int) -> None:
        """Wait until nobody else changes a team, until the end of the transaction."""
        await self._connection.execute(_LOCK, {"number": number})

    async def change(self, number: int, change: Mapping[str, Any]) -> Team | None:
        """Set some fields of a team; None if its new name is taken.

        Args:
            change: values by the names of `TEAM_FIELDS`.
        """
        statement = f"""
            UPDATE teams SET {", ".join(_assignment(name) for name in change)} WHERE id = :number
            RETURNING {_SHOWN}
        """  # noqa: S608 - names of our own fields
        try:
            rows = await self._connection.execute(text(statement), {**change, "number": number})
        except IntegrityError:
            return None
        team = Team(**rows.one()._mapping)
        await self._connection.execute(_NEW_TURNS, {"number": number})
        return team

    async def limits(self, team_id: TeamId) -> TeamLimits:
        """What a team may use."""
        row = (await self._connection.execute(_LIMITS_OF, {"id": team_id})).one()
        return TeamLimits(**row._mapping)


def _assignment(name: str) -> str:
    if name == "disabled":
        return "disabled_at = CASE WHEN CAST(:disabled AS bool) THEN coalesce(disabled_at, now()) END"
    return f"{name} = {_value(name)}"


def _numbered(row: Mapping[Any, Any]) -> Numbered[Team]:
    values = {str(name): value for name, value in row.items() if name != "number"}
    return Numbered(number=row["number"], item=Team(**values))
