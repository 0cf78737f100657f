"""Numbers of the whole service for monitoring, the same from every API process."""

from app.db.engine import Database
from app.domain.numbers import Numbers


class Metrics:
    """The use case behind `/metrics`."""

    def __init__(self, database: Database, *, window: int, lease_s: float) -> None:
        self._database = database
        self._window = window
        self._lease_s = lease_s

    async def __call__(self) -> Numbers:
        """Read the numbers.

        Raises:
            DatabaseUnavailableError: there are none now.
        """
        async with self._database.snapshot() as work:
            waiting, oldest_s = await work.deliveries.waiting()
            return Numbers(
                teams=await work.metrics.teams(),
                workers=await work.metrics.workers(lease_s=self._lease_s),
                stages=await work.metrics.stages(window=self._window),
                leases_lost=await work.metrics.leases_lost(),
                deliveries_waiting=waiting,
                deliveries_oldest_s=oldest_s,
            )
