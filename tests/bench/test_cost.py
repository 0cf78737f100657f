"""What one task costs the database: exact numbers, whatever else the machine does.

Each cost is the median over single tasks, so that a page split or a record of the server's own does not
count. The gates are the first measured values; 5 % more fails. A smaller cost is a reason to lower its gate.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from uuid import uuid4

import asyncpg
import pytest_asyncio
from sqlalchemy import Connection, event

from app.db.engine import Database
from app.db.migrate import migrate
from app.domain.keys import ALL_SCOPES
from app.domain.submission import parse_submission
from app.domain.task import Caller
from app.embedded.stack import embedded_stack
from app.services.lifecycle import Lifecycle
from tests.bench import our_queue
from tests.fakes import ListeningDoorbell

TASKS = 40
MARGIN = 1.05
LYRICS = "[Verse 1]\nWalking down the street with a melody in my head\n" * 20

_SPENT = """
SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS transactions,
       (pg_current_wal_insert_lsn() - '0/0')::bigint AS wal_bytes
"""
# Nothing but the tasks may write; whole pages after a checkpoint would depend on when it came.
_QUIET = ("autovacuum = off", "checkpoint_timeout = '1h'", "full_page_writes = off", "jit = off")


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians of one task."""

    transactions: float
    wal_bytes: float
    round_trips: float


class Meter:
    """Reads what the server has written, and counts what a pool has sent."""

    def __init__(self, connection: asyncpg.Connection, database: Database) -> None:
        self._connection = connection
        self._round_trips = 0
        engine = database._engine.sync_engine
        event.listen(engine, "before_cursor_execute", self._on_statement)
        event.listen(engine, "commit", self._on_commit)

    def _on_statement(self, *_: object) -> None:
        self._round_trips += 1

    def _on_commit(self, connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            self._round_trips += 2  # BEGIN and COMMIT

    async def of(self, act: Callable[[], Awaitable[object]]) -> Cost:
        """Act once for each task."""
        spent: list[tuple[int, int, int]] = []
        for _ in range(TASKS):
            before, trips = await self._connection.fetchrow(_SPENT), self._round_trips
            await act()
            after = await self._connection.fetchrow(_SPENT)
            assert before
            assert after
            spent.append((*(a - b for a, b in zip(after, before, strict=True)), self._round_trips - trips))
        return Cost(*(median(column) for column in zip(*spent, strict=True)))


@pytest_asyncio.fixture
async def quiet_url(open_folder: Path) -> AsyncIterator[str]:
    """A Postgres of its own that writes nothing by itself."""
    async with embedded_stack(open_folder / "cost", redis_url="redis://127.0.0.1:1", fsync=False) as stack:
        await _configure(stack.database_url)
        await migrate(stack.database_url)
        yield stack.database_url


async def _configure(url: str) -> None:
    connection = await asyncpg.connect(url)
    for setting in _QUIET:
        await connection.execute(f"ALTER SYSTEM SET {setting}")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


@asynccontextmanager
async def metered(url: str) -> AsyncIterator[tuple[Meter, Database]]:
    database, connection = Database(url), await asyncpg.connect(url)
    try:
        yield Meter(connection, database), database
    finally:
        await connection.close()
        await database.close()


def check(cost: Cost, *, transactions: float, wal_bytes: float, round_trips: float) -> None:
    """Compare with the gates."""
    assert cost.transactions <= transactions, cost
    assert cost.wal_bytes <= wal_bytes * MARGIN, cost
    assert cost.round_trips <= round_trips, cost


async def test_a_task_costs_no_more_than_it_did(quiet_url: str) -> None:
    async with metered(quiet_url) as (meter, database):
        doorbell = ListeningDoorbell()
        submit = our_queue.submit_on(database, doorbell)
        async with database.autocommit() as work:
            team = await work.keys.default_team()
        caller = Caller(team_id=team, key_id=None, scopes=ALL_SCOPES)
        lifecycle = Lifecycle(database, doorbell, worker_id=uuid4(), lease_s=30, max_crashes=3)

        async def store() -> None:
            fields = {"prompt": "a song", "lyrics": LYRICS}
            submission = parse_submission(fields, content_type="application/json", offers=our_queue.OFFERS)
            await submit(caller, submission, request_id="test", client=None)

        async def work_one() -> None:
            task = await lifecycle.claim([our_queue.MODEL])
            assert task is not None
            assert await lifecycle.succeed(task, result={"items": []}, clips=[], gpu_seconds=1.0)

        for act in (store, store, work_one):  # statements are prepared, first pages and sequences are there
            await act()
        stored, worked = await meter.of(store), await meter.of(work_one)
    check(stored, transactions=1, wal_bytes=3736, round_trips=5)
    check(worked, transactions=2, wal_bytes=2920, round_trips=2)
