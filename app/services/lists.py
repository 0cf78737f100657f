"""Lists of tasks, page by page."""

from uuid import UUID

import msgspec

from app.db.engine import Database, retrying
from app.domain.cursor import Cursors
from app.domain.filters import Filters
from app.domain.listed import TaskPage
from app.domain.task import TaskId, TeamId

RETRY_LIMIT_S = 3.0


class Lists:
    """The use case behind `GET /v1/tasks`."""

    def __init__(self, database: Database, *, pepper: bytes) -> None:
        self._database = database
        self._cursors = Cursors(pepper)

    async def __call__(
        self, team_id: TeamId | None, filters: Filters, *, newest_first: bool, limit: int, cursor: str | None
    ) -> TaskPage:
        """Return a page of the team's tasks, or of all teams' for None, in the order of submission.

        Raises:
            ValidationError: the cursor is not of this list; there is no word in `q`.
        """
        name_of_list = msgspec.json.encode([team_id, newest_first, filters])
        last = None if cursor is None else TaskId(self._cursors.read(cursor, name_of_list))

        async def read() -> TaskPage:
            async with self._database.snapshot() as work:
                found = await work.lists.find(team_id, filters, newest_first=newest_first, last=last)
                seqs = [] if found is None else await work.lists.page(found, most=limit + 1)
                items = await work.lists.items(team_id, seqs[:limit])
            more = len(seqs) > limit
            next_cursor = self._cursors.make(UUID(items[-1].id), name_of_list) if more else None
            return TaskPage(items=items, next_cursor=next_cursor, has_more=more)

        return await retrying(read, limit_s=RETRY_LIMIT_S)
