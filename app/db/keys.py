"""Keys of teams: who a key belongs to, and how keys come and go. They are never deleted."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.task import Caller, TeamId
from app.domain.teams import Key

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
k.public_id AS id, t.name AS team, k.name, k.prefix, k.scopes, k.created_at, k.created_by, k.last_used_at,
       k.expires_at, k.revoked_at"""

_INSERT = text(f"""
WITH k AS (
    INSERT INTO api_keys (team_id, name, prefix, last4, hash, scopes, expires_at, created_by)
    SELECT id, :name, :prefix, :last4, :hash, CAST(:scopes AS text[]),
           CAST(:expires_at AS timestamptz), :created_by
    FROM teams WHERE name = :team
    RETURNING *
)
SELECT {_SHOWN} FROM k JOIN teams t ON t.id = k.team_id
""")  # noqa: S608 - parts of this file only

_ALL = text(f"""
SELECT {_SHOWN} FROM api_keys k JOIN teams t ON t.id = k.team_id
WHERE CAST(:team AS text) IS NULL OR t.name = CAST(:team AS text)
ORDER BY k.id
""")  # noqa: S608

_NAMED = text(f"""
SELECT {_SHOWN} FROM api_keys k JOIN teams t ON t.id = k.team_id
WHERE k.prefix = :reference OR CAST(k.public_id AS text) = :reference
""")  # noqa: S608

_REVOKE = text(f"""
WITH k AS (
    UPDATE api_keys SET revoked_at = now() WHERE public_id = :id AND revoked_at IS NULL RETURNING *
)
SELECT {_SHOWN} FROM k JOIN teams t ON t.id = k.team_id
""")  # noqa: S608


class Keys:
    """Statements on keys, and on the team of those who have none."""

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
        team: str,
        *,
        name: str,
        prefix: str,
        last4: str,
        digest: bytes,
        scopes: Sequence[str],
        expires_at: datetime | None,
        created_by: str,
    ) -> Key | None:
        """Store a key of a team; None if there is no such team."""
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
        row = (await self._connection.execute(_INSERT, values)).first()
        return Key(**row._mapping) if row else None

    async def all(self, team: str | None) -> list[Key]:
        """Keys of one team, or of all for None, oldest first; revoked and expired ones too."""
        return [Key(**row._mapping) for row in await self._connection.execute(_ALL, {"team": team})]

    async def named(self, reference: str) -> list[Key]:
        """Keys with this id or this visible prefix."""
        rows = await self._connection.execute(_NAMED, {"reference": reference})
        return [Key(**row._mapping) for row in rows]

    async def revoke(self, key: Key) -> Key | None:
        """End a key; None if it was revoked before."""
        row = (await self._connection.execute(_REVOKE, {"id": key.id})).first()
        return Key(**row._mapping) if row else None
