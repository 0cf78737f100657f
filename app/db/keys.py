"""Teams and keys, as far as authentication needs them."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.task import Caller, TeamId

_BY_HASH = text("""
SELECT k.id, k.team_id, k.scopes FROM api_keys k JOIN teams t ON t.id = k.team_id
WHERE k.hash = :hash AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
  AND t.disabled_at IS NULL
""")
_ANY = text("SELECT EXISTS (SELECT FROM api_keys)")
_DEFAULT_TEAM = text("SELECT id FROM teams WHERE name = 'default'")


class Keys:
    """Statements on keys and teams."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def caller(self, digest: bytes) -> Caller | None:
        """Who a key belongs to, by its keyed hash; None if unknown, revoked, expired or disabled."""
        row = (await self._connection.execute(_BY_HASH, {"hash": digest})).first()
        if row is None:
            return None
        return Caller(team_id=TeamId(row.team_id), key_id=row.id, scopes=frozenset(row.scopes))

    async def any_exists(self) -> bool:
        """Whether a key was ever created; the service is closed from then on."""
        return bool(await self._connection.scalar(_ANY))

    async def default_team(self) -> TeamId:
        """The team of open mode and of the bootstrap key."""
        return TeamId((await self._connection.execute(_DEFAULT_TEAM)).scalar_one())
