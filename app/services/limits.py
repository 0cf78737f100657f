"""What a team may ask for, to judge a request early; the gate of the queue judges again, exactly."""

import asyncio
from collections.abc import Awaitable, Callable

from app.db.engine import Database
from app.domain.errors import DatabaseUnavailableError
from app.domain.offers import Offers
from app.domain.task import TeamId
from app.domain.teams import TeamLimits

CACHE_S = 1.0
MOST_CACHED = 4096


class TeamOffers:
    """What is offered, within the limits of a team; these are read at most once a second."""

    def __init__(self, database: Database, offers: Callable[[], Awaitable[Offers]]) -> None:
        self._database = database
        self._offers = offers
        self._known: dict[TeamId, tuple[float, TeamLimits]] = {}

    async def __call__(self, team_id: TeamId) -> Offers:
        """Models, limits and highest priority for one team."""
        return (await self._offers()).within(await self._limits(team_id))

    async def _limits(self, team_id: TeamId) -> TeamLimits:
        """Limits of one team; old ones serve while the database is away."""
        now = asyncio.get_running_loop().time()
        known = self._known.get(team_id)
        if known and now - known[0] < CACHE_S:
            return known[1]
        try:
            async with self._database.autocommit() as work:
                limits = await work.teams.limits(team_id)
        except DatabaseUnavailableError:
            if known is None:
                raise
            return known[1]
        if len(self._known) >= MOST_CACHED:
            self._known.clear()
        self._known[team_id] = (now, limits)
        return limits
