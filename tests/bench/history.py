"""Does a long history make anything slower? The same questions at n / 10 and at n tasks, side by side.

`make bench-history` fills two databases (10^5 and 10^6 tasks take some ten minutes) and prints one line a
question. The two are asked in turn, so that other load on the machine meets both; a question that seems
slower is asked again, up to three times, as a busy moment looks like a slow plan. It fails if the 99th
percentile at n is more than 1.5 times the one at n / 10.

With `python -m tests.bench.history SMALL_URL LARGE_URL` databases that are filled already are asked.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec

from app.db.engine import Database
from app.db.migrate import migrate
from app.domain.cursor import Cursors
from app.domain.filters import Filters
from app.domain.task import TaskId, TeamId
from app.embedded.stack import embedded_stack
from app.services.lists import Lists
from tests.bench.rows import BIG_TEAM, fill
from tests.builders import a_task, claim
from tests.servers import execute, with_name

SAMPLES = 200
MOST_RATIO = 1.5
TRIES = 3
HOUR = timedelta(hours=1)

Ask = Callable[[], Awaitable[Any]]


@dataclass
class Side:
    """One of the two databases, and what the questions name in it."""

    db: Database
    url: str
    team: TeamId
    newest: datetime
    oldest: datetime
    values: dict[str, Any]

    @property
    def middle(self) -> datetime:
        return self.oldest + (self.newest - self.oldest) / 2

    def page(self, filters: Filters, **options: Any) -> Ask:
        lists = Lists(self.db, pepper=b"pepper")
        asked: dict[str, Any] = {"newest_first": True, "limit": 50, "cursor": None} | options
        return lambda: lists(self.team, filters, **asked)


async def open_side(url: str) -> Side:
    connection = await asyncpg.connect(url)
    try:
        team = await connection.fetchval("SELECT id FROM teams WHERE name = $1", BIG_TEAM)
        oldest, newest = await connection.fetchrow(
            "SELECT min(created_at), max(created_at) FROM tasks WHERE team_id = $1", team
        )
        some = "FROM objects WHERE team_id = $1 ORDER BY id OFFSET (SELECT count(*) / 3 FROM objects) LIMIT 1"
        values = {
            "sha256": await connection.fetchval(f"SELECT sha256 {some}", team),
            "rare_key": await connection.fetchval(
                "SELECT public_id FROM api_keys WHERE team_id = $1 ORDER BY id DESC LIMIT 1", team
            ),
            "parent": await connection.fetchval("SELECT id FROM tasks WHERE seq = 2"),
            "polled": await connection.fetch(
                "SELECT id FROM tasks WHERE team_id = $1 AND seq % 3 = 0 LIMIT 20", team
            ),
            "seed": 1000 * 7919,
        }
    finally:
        await connection.close()
    return Side(Database(url), url, TeamId(team), newest, oldest, values)


def questions(side: Side, cursor: str | None) -> dict[str, Ask]:
    """Everything that a host asks all day."""
    value = side.values
    filters = {
        "everything": Filters(),
        "state failed, cancelled": Filters(state=("cancelled", "failed")),
        "state succeeded": Filters(state=("succeeded",)),
        "state queued": Filters(state=("queued",)),
        "task_type text2music": Filters(task_type="text2music"),
        "task_type lego (rare)": Filters(task_type="lego"),
        "model common": Filters(model="acestep-v15-turbo"),
        "model rare": Filters(model="acestep-v15-base"),
        "key_id (rare)": Filters(key_id=value["rare_key"]),
        "created_before the middle": Filters(created_before=side.middle),
        "created_after the middle": Filters(created_after=side.middle),
        "created, one hour": Filters(created_after=side.middle, created_before=side.middle + HOUR),
        "finished_before the middle": Filters(finished_before=side.middle),
        "finished_after the middle": Filters(finished_after=side.middle),
        "finished, one hour": Filters(finished_after=side.middle, finished_before=side.middle + HOUR),
        "seed": Filters(seed=value["seed"]),
        "error_code timeout (rare)": Filters(error_code="timeout"),
        "error_code of nobody": Filters(error_code="validation"),
        "label (rare)": Filters(labels=(("mood", "rare"),)),
        "label of one in 1000": Filters(labels=(("project", "p8"),)),
        "q, a rare word": Filters(q="unheard"),
        "q, a common word": Filters(q="song"),
        "q, a word of nobody": Filters(q="nothing"),
        "parent_id": Filters(parent_id=value["parent"]),
        "sha256": Filters(sha256=value["sha256"]),
        "failed, and before the middle": Filters(state=("failed",), created_before=side.middle),
        "common word, and a label": Filters(q="song", labels=(("project", "p8"),)),
    }
    asks = {f"list: {name}": side.page(each) for name, each in filters.items()}
    asks["list: oldest first"] = side.page(Filters(), newest_first=False)
    asks["list: 200 a page"] = side.page(Filters(), limit=200)
    asks["list: a page from the middle"] = side.page(Filters(), cursor=cursor)

    async def stats() -> None:
        async with side.db.autocommit() as work:
            await work.stats.numbers(side.team, window=50, lease_s=30)

    async def poll() -> None:
        async with side.db.autocommit() as work:
            await work.views.by_ids(side.team, [TaskId(row["id"]) for row in value["polled"]])

    async def take() -> None:
        assert await claim(side.db, worker=uuid4())

    return asks | {"/v1/stats": stats, "poll of 20": poll, "claim": take}


async def cursor_in_the_middle(side: Side) -> str:
    """A cursor that the list gives for a task of the middle."""
    connection = await asyncpg.connect(side.url)
    middle: UUID = await connection.fetchval(
        "SELECT id FROM tasks WHERE team_id = $1 AND created_at < $2 ORDER BY created_at DESC LIMIT 1",
        side.team,
        side.middle,
    )
    await connection.close()
    return Cursors(b"pepper").make(middle, msgspec.json.encode([side.team, True, Filters()]))


async def seconds(ask: Ask) -> float:
    started = time.perf_counter()
    await ask()
    return time.perf_counter() - started


@dataclass
class Times:
    """How long a question took, in ms."""

    median: float
    p99: float

    @classmethod
    def of(cls, seconds: list[float]) -> "Times":
        ordered = sorted(seconds)
        return cls(ordered[len(ordered) // 2] * 1000, ordered[int(len(ordered) * 0.99) - 1] * 1000)


async def compare(small: Ask, large: Ask) -> tuple[Times, Times]:
    """Ask both sides in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for ask in (small, large) * 3:
        await ask()
    for _ in range(SAMPLES):
        times[0].append(await seconds(small))
        times[1].append(await seconds(large))
    return Times.of(times[0]), Times.of(times[1])


async def measure(small_url: str, large_url: str) -> int:
    """Ask everything; returns how many questions became slower."""
    small, large = await open_side(small_url), await open_side(large_url)
    asks = [questions(side, await cursor_in_the_middle(side)) for side in (small, large)]
    slower = 0
    print(f"{'median and 99th percentile in ms':42} {'n / 10':>15} {'n':>15}   ratio of the latter")
    for name in asks[0]:
        if name == "claim":
            for side in (small, large):
                for _ in range((SAMPLES + 10) * TRIES):
                    await a_task(side.db, side.team)
        for _ in range(TRIES):
            first, second = await compare(asks[0][name], asks[1][name])
            ratio = second.p99 / first.p99
            if ratio <= MOST_RATIO:
                break
        else:
            slower += 1
        shown = "".join(f"{each.median:8.2f}{each.p99:8.2f}" for each in (first, second))
        print(f"{name:42}{shown}   {ratio:.2f}", flush=True)
    for side in (small, large):
        await side.db.close()
    return slower


@asynccontextmanager
async def two_databases(rows: int) -> AsyncIterator[tuple[str, str]]:
    folder = Path(tempfile.mkdtemp(prefix="acestep-bench-"))
    folder.chmod(0o711)
    async with embedded_stack(folder / "data") as stack:
        urls = []
        for count in (rows // 10, rows):
            url = with_name(stack.database_url, f"history_{count}")
            await execute(stack.database_url, f"CREATE DATABASE history_{count}")
            await migrate(url)
            print(f"writing {count} tasks", flush=True)
            await fill(url, count)
            urls.append(url)
        yield urls[0], urls[1]


async def main(arguments: list[str]) -> int:
    if len(arguments) == 2:
        return await measure(*arguments)
    async with two_databases(int(arguments[0])) as urls:
        return await measure(*urls)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
