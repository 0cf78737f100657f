"""Teams: made with their counters, and listed with their limits."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.task import TeamId
from app.domain.teams import Team, TeamLimits

_COLUMNS = """
name, max_queued, max_running, max_priority, weight, daily_audio_seconds, monthly_audio_seconds,
allowed_models, audio_retention_days, record_retention_days"""

_INSERT = text(f"""
WITH team AS (
    INSERT INTO teams ({_COLUMNS})
    VALUES (:name, :max_queued, :max_running, :max_priority, :weight, :daily_audio_seconds,
            :monthly_audio_seconds, CAST(:allowed_models AS text[]), :audio_retention_days,
            :record_retention_days)
    ON CONFLICT (name) DO NOTHING
    RETURNING *
), counters AS (
    INSERT INTO team_state (team_id) SELECT id FROM team
)
SELECT public_id AS id, {_COLUMNS}, disabled_at IS NOT NULL AS disabled, created_at FROM team
""")  # noqa: S608 - parts of this file only

_ALL = text(f"""
SELECT public_id AS id, {_COLUMNS}, disabled_at IS NOT NULL AS disabled, created_at
FROM teams ORDER BY teams.id
""")  # noqa: S608

_LIMITS = text("""
SELECT max_queued, max_running, max_priority, weight, daily_audio_seconds, monthly_audio_seconds,
       allowed_models, audio_retention_days, record_retention_days
FROM teams WHERE id = :id
""")


class Teams:
    """Statements on the `teams` table."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, name: str, limits: TeamLimits) -> Team | None:
        """Insert a team and its counters; None if the name is taken."""
        row = (await self._connection.execute(_INSERT, {"name": name, **limits.columns()})).first()
        return Team(**row._mapping) if row else None

    async def all(self) -> list[Team]:
        """Every team, oldest first."""
        return [Team(**row._mapping) for row in await self._connection.execute(_ALL)]

    async def limits(self, team_id: TeamId) -> TeamLimits:
        """What a team may use."""
        row = (await self._connection.execute(_LIMITS, {"id": team_id})).one()
        return TeamLimits(**row._mapping)
