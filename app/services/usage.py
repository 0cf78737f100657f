"""Metering: what teams have used, and whether the kept sums are what the rows say."""

from app.db.engine import Database, retrying
from app.domain.errors import ValidationError
from app.domain.usage import Drift, UsageQuery, UsageRow

RETRY_LIMIT_S = 3.0
MOST_ROWS = 10_000


class Usage:
    """The use case behind `/v1/usage`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, query: UsageQuery) -> list[UsageRow]:
        """Sums of every group.

        Raises:
            ValidationError: too many groups for one answer.
        """

        async def read() -> list[UsageRow]:
            async with self._database.autocommit() as work:
                return await work.usage.rows(query, most=MOST_ROWS + 1)

        rows = await retrying(read, limit_s=RETRY_LIMIT_S)
        if len(rows) > MOST_ROWS:
            raise ValidationError(f"more than {MOST_ROWS} groups: ask for fewer days, or group by less")
        return rows

    async def drift(self) -> list[Drift]:
        """Counters and sums that differ from a count of the rows; none is as it should be."""
        async with self._database.snapshot() as work:
            return [*await work.stats.drift(), *await work.usage.drift()]
