"""Numbers of `/v1/stats`, from SQL, read at most once a second per process and scope."""

import asyncio

from app.db.engine import Database
from app.domain.task import TeamId
from app.services import StatsView

CACHE_S = 1.0


class Stats:
    """The use case behind `/v1/stats`."""

    def __init__(
        self,
        database: Database,
        *,
        queue_limit: int | None,
        window: int,
        initial_average_s: float,
        lease_s: float,
    ) -> None:
        self._database = database
        self._queue_limit = queue_limit
        self._window = window
        self._initial_average_s = initial_average_s
        self._lease_s = lease_s
        self._cached: dict[TeamId | None, tuple[float, StatsView]] = {}

    async def __call__(self, team_id: TeamId | None) -> StatsView:
        """Numbers of one team, or of all (None)."""
        now = asyncio.get_running_loop().time()
        cached = self._cached.get(team_id)
        if cached and now - cached[0] < CACHE_S:
            return cached[1]
        view = await self._read(team_id)
        if len(self._cached) > 1000:
            self._cached.clear()
        self._cached[team_id] = (now, view)
        return view

    async def _read(self, team_id: TeamId | None) -> StatsView:
        async with self._database.autocommit() as work:
            numbers = await work.stats.numbers(team_id, window=self._window, lease_s=self._lease_s)
        return StatsView(
            queued=numbers.queued,
            running=numbers.running,
            succeeded=numbers.succeeded,
            failed=numbers.failed,
            cancelled=numbers.cancelled,
            queue_size=numbers.queue_size,
            queue_maxsize=self._queue_limit,
            avg_job_seconds=self._initial_average_s if numbers.average_s is None else numbers.average_s,
            workers_online=numbers.workers_online,
            workers_busy=numbers.workers_busy,
        )
