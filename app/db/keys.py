"""Keys of teams: who a key belongs to, and how keys come and go. They are never deleted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.page import Numbered
from app.domain.task import Caller, TeamId
from app.domain.team_keys import Key

# The use is noted at most once a minute, so that reading a key hardly ever writes.
_BY_HASH = text("""
WITH found AS MATERIALIZED (
    SELECT k.id, k.team_id, k.scopes, k.prefix FROM api_keys k JOIN teams t ON t.id = k.team_id
    WHERE k.hash = :hash AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
      AND t.disabled_at IS NULL
), used AS (
    UPDATE api_keys SET last_used_at = now()
    WHERE id = (SELECT id FROM found)
      AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
)
SELECT id, team_id, scopes, prefix FROM found
""")

_ANY = text("SELECT EXISTS (SELECT FROM api_keys)")
_DEFAULT_TEAM = text("SELECT id FROM teams WHERE name = 'default'")

_SHOWN = """
k.id AS number, k.public_id AS id, t.public_id AS team_id, t.name AS team, k.name, k.prefix, k.scopes,
       k.created_at, k.created_by, k.last_used_at, k.expires_at, k.revoked_at"""
_WITHIN = "(CAST(:reach AS bigint) IS NULL OR k.team_id = CAST(:reach AS bigint))"

_INSERT = text(f"""
WITH k AS (
    INSERT INTO api_keys (team_id, name, prefix, last4, hash, scopes, expires_at, created_by)
    VALUES (:team, :name, :prefix, :last4, :hash, CAST(:scopes AS text[]), CAST(:expires_at AS timestamptz),
            :created_by)
    RETURNING *
)
SELECT {_SHOWN} FROM k JOIN teams t ON t.id = k.team_id
""")  # noqa: S608 - parts of this file only

_PAGE = text(f"""
SELECT {_SHOWN} FROM api_keys k JOIN teams t ON t.id = k.team_id
WHERE {_WITHIN} AND (CAST(:team AS uuid) IS NULL OR t.public_id = CAST(:team AS uuid))
  AND k.id > coalesce((SELECT id FROM api_keys WHERE public_id = CAST(:after AS uuid)), 0)
ORDER BY k.id LIMIT CAST(:most AS int)
""")  # noqa: S608

_NAMED = f"""
SELECT {_SHOWN} FROM api_keys k JOIN teams t ON t.id = k.team_id
WHERE {_WITHIN} AND (k.prefix = :reference OR CAST(k.public_id AS text) = lower(:reference))
"""  # noqa: S608
# Not FOR UPDATE: tasks that refer to the key may be stored meanwhile.
_LOCKED = " FOR NO KEY UPDATE OF k"

_BY_NUMBER = text(f"""
SELECT {_SHOWN} FROM api_keys k JOIN teams t ON t.id = k.team_id WHERE k.id = :number
""")  # noqa: S608


class Keys:
    """Statements on keys, and on the team of those who have none.

    `reach` is the only team whose keys are seen; None = those of all teams.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def caller(self, digest: bytes) -> Caller | None:
        """Who a key belongs to, by its keyed hash; None if unknown, revoked, expired or disabled."""
        row = (await self._connection.execute(_BY_HASH, {"hash": digest})).first()
        if row is None:
            return None
        return Caller(
            team_id=TeamId(row.team_id), key_id=row.id, scopes=frozenset(row.scopes), key_prefix=row.prefix
        )

    async def any_exists(self) -> bool:
        """Whether a key was ever created; the service is closed from then on."""
        return bool(await self._connection.scalar(_ANY))

    async def default_team(self) -> TeamId:
        """The team of open mode and of the bootstrap key."""
        return TeamId((await self._connection.execute(_DEFAULT_TEAM)).scalar_one())

    async def add(
        self,
        team: TeamId,
        *,
        name: str,
        prefix: str,
        last4: str,
        digest: bytes,
        scopes: Sequence[str],
        expires_at: datetime | None,
        created_by: str,
    ) -> Key:
        """Store a key of a team."""
        values = {
            "team": team,
            "name": name,
            "prefix": prefix,
            "last4": last4,
            "hash": digest,
            "scopes": list(scopes),
            "expires_at": expires_at,
            "created_by": created_by,
        }
        return _numbered((await self._connection.execute(_INSERT, values)).one()._mapping).item

    async def page(
        self,
        reach: TeamId | None,
        *,
        team: UUID | None = None,
        after: UUID | None = None,
        most: int | None = None,
    ) -> list[Key]:
        """Keys made after one of them, oldest first, ended ones too; `most` None = all of them."""
        values = {"reach": reach, "team": team, "after": after, "most": most}
        return [_numbered(row._mapping).item for row in await self._connection.execute(_PAGE, values)]

    async def named(
        self, reach: TeamId | None, reference: str, *, locked: bool = False
    ) -> list[Numbered[Key]]:
        """Keys with this id or this visible prefix, perhaps locked until the end of the transaction."""
        statement = text(_NAMED + (_LOCKED if locked else ""))
        rows = await self._connection.execute(statement, {"reach": reach, "reference": reference})
        return [_numbered(row._mapping) for row in rows]

    async def by_number(self, number: int) -> Key | None:
        """One key by its internal number."""
        row = (await self._connection.execute(_BY_NUMBER, {"number": number})).first()
        return _numbered(row._mapping).item if row else None

    async def change(self, number: int, change: Mapping[str, Any]) -> Key:
        """Set some of `name`, `scopes` and `expires_at` of a key."""
        return await self._set(number, ", ".join(f"{name} = :{name}" for name in change), change)

    async def revoke(self, number: int) -> Key:
        """End a key."""
        return await self._set(number, "revoked_at = now()", {})

    async def _set(self, number: int, assignments: str, values: Mapping[str, Any]) -> Key:
        statement = f"""
            WITH k AS (UPDATE api_keys SET {assignments} WHERE id = :number RETURNING *)
            SELECT {_SHOWN} FROM k JOIN teams t ON t.id = k.team_id
        """  # noqa: S608 - names of our own columns
        row = (await self._connection.execute(text(statement), {**values, "number": number})).one()
        return _numbered(row._mapping).item


def _numbered(row: Mapping[Any, Any]) -> Numbered[Key]:
    values = {str(name): value for name, value in row.items() if name != "number"}
    return Numbered(number=row["number"], item=Key(**values))
