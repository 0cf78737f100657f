"""One reader for all streams: in order, without gaps, and at a cost that does not grow with them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest

from app.db.engine import Database
from app.db.tasks import Actor, Beat
from app.db.unit_of_work import UnitOfWork
from app.domain.errors import NotFoundError, TooManyStreamsError
from app.domain.keys import OPEN_SCOPES
from app.domain.stream import Change, Told
from app.domain.task import Caller, TaskId, TaskStatus, TeamId
from app.services import feed as feed_module
from app.services import stream as stream_module
from app.services.feed import MOST_WAITING, Feed, Subscription
from app.services.stream import Streams
from tests.builders import WORKER, a_running_task, a_task, a_team, claim, many_tasks
from tests.servers import execute
from tests.webhooks import succeed


@asynccontextmanager
async def a_feed(db: Database) -> AsyncIterator[Feed]:
    feed = Feed(db, poll_s=0.03)
    running = asyncio.create_task(feed.run_forever())
    try:
        yield feed
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def feed(db: Database) -> AsyncIterator[Feed]:
    async with a_feed(db) as feed:
        yield feed


@pytest.fixture
def streams(db: Database, feed: Feed) -> Streams:
    return Streams(db, feed, most_per_key=3, tick_s=0.2)


def caller(team: TeamId, key_id: int | None = 1) -> Caller:
    return Caller(team_id=team, key_id=key_id, scopes=OPEN_SCOPES)


async def told(events: AsyncIterator[Told | None], count: int) -> list[tuple[str, str, int | None]]:
    """The next events, without ticks: kind, state, id."""
    seen: list[tuple[str, str, int | None]] = []
    async with asyncio.timeout(10):
        while len(seen) < count:
            event = await anext(events)
            if event is not None and event.news is not None:
                seen.append((event.kind, event.news.state, event.id))
    return seen


async def beat(db: Database, task_id: TaskId, progress: float) -> None:
    async with db.autocommit() as work:
        step = Beat(
            id=task_id,
            attempt=1,
            progress=progress,
            stage="diffusing",
            progress_text="dit diffusion: step 4/8",
            stage_changed=True,
        )
        await work.tasks.heartbeat([step], worker_id=WORKER, lease_s=30)


async def test_a_task_is_followed_from_its_present_state_to_its_end(
    db: Database, team: TeamId, streams: Streams
) -> None:
    task_id = await a_task(db, team)
    events = streams.task(caller(team), team, task_id, after=None)
    first = await anext(events)
    assert first is not None
    assert first.news is not None
    assert (first.kind, first.news.state, first.news.progress_text) == ("state", "queued", "queued")
    (task,) = await claim(db)
    (running,) = await told(events, 1)
    assert running[:2] == ("state", "running")
    await beat(db, task_id, 0.5)
    async for event in events:
        if event is not None and event.news is not None and event.news.progress == 0.5:
            assert (event.kind, event.id) == ("progress", None)
            assert (event.news.step, event.news.steps, event.news.stage) == (4, 8, "diffusing")
            break
    await succeed(db, task)
    rest = [event async for event in events if event is not None]
    assert rest[-1].news is not None
    assert (rest[-1].kind, rest[-1].news.state, rest[-1].news.progress) == ("state", "succeeded", 1.0)
    assert first.id is not None
    assert running[2] is not None
    assert rest[-1].id is not None
    assert first.id < running[2] < rest[-1].id
    assert streams.count == 0


async def test_a_client_goes_on_after_the_last_event_it_saw(
    db: Database, team: TeamId, streams: Streams
) -> None:
    task_id = await a_task(db, team)
    first = await anext(streams.task(caller(team), team, task_id, after=None))
    assert first is not None
    (task,) = await claim(db)
    await beat(db, task_id, 0.5)
    async with db.autocommit() as work:
        await work.tasks.release(task_id, 1, actor=Actor(kind="worker", id=str(WORKER)))
    (task,) = await claim(db)
    await succeed(db, task)
    missed = [event async for event in streams.task(caller(team), team, task_id, after=first.id)]
    assert [event.news.state for event in missed if event and event.news] == [
        *("running", "queued", "running", "succeeded")
    ]
    ids = [event.id for event in missed if event]
    for place in (ids[-1], 10**17):
        again = [event async for event in streams.task(caller(team), team, task_id, after=place)]
        assert [event.id for event in again if event] == [ids[-1]], "nothing was missed: the present state"


async def test_a_failure_tells_its_reason(db: Database, team: TeamId, streams: Streams) -> None:
    task = await a_running_task(db, team)
    async with db.autocommit() as work:
        await work.tasks.fail_or_retry(
            task.id,
            1,
            actor=Actor(kind="worker", id=str(WORKER)),
            code="timeout",
            message="too slow",
            trace="private",
            max_failures=1,
            gpu_seconds=1.0,
        )
    (event,) = [event async for event in streams.task(caller(team), team, task.id, after=None)]
    assert event is not None
    assert event.news is not None
    news = event.news
    assert (news.state, news.status, news.error_code, news.error) == ("failed", 2, "timeout", "too slow")


async def test_unknown_and_foreign_are_one(
    db: Database, team: TeamId, streams: Streams, database_url: str
) -> None:
    other = await a_team(database_url, "other")
    task_id = await a_task(db, other)
    with pytest.raises(NotFoundError):
        await anext(streams.task(caller(team), team, task_id, after=None))
    assert streams.count == 0


async def test_a_team_sees_what_lives_and_then_every_change_of_its_own(
    db: Database, team: TeamId, streams: Streams, database_url: str
) -> None:
    other = await a_team(database_url, "other")
    await a_task(db, other)
    running = await a_running_task(db, other)
    await a_task(db, team)
    events = streams.team(caller(team), team, after=None)
    everything = streams.team(caller(team, key_id=2), None, after=None)
    assert [state for _, state, _ in await told(events, 1)] == ["queued"]
    assert sorted(state for _, state, _ in await told(everything, 3)) == ["queued", "queued", "running"]
    place = await anext(events)
    assert place is not None
    assert place.news is None
    assert place.id is not None

    await succeed(db, running)
    new = await a_task(db, team)
    (kind, state, id_) = (await told(events, 1))[0]
    assert (kind, state) == ("state", "queued")
    seen = []
    async for event in everything:
        if event and event.news and event.kind == "state":
            seen.append((event.news.state, event.news.task_id))
            assert event.news.team_id
        if seen and seen[-1][1] == str(new):
            break
    assert ("succeeded", str(running.id)) in seen

    assert id_ is not None
    resumed = streams.team(caller(team, key_id=3), team, after=place.id)
    assert await told(resumed, 1) == [("state", "queued", id_)]
    for nonsense in (0, 10**17):
        anew = streams.team(caller(team, key_id=3), team, after=nonsense)
        assert {state for _, state, _ in await told(anew, 2)} == {"queued"}
        await anew.aclose()  # type: ignore[attr-defined]


async def test_all_that_lives_is_told_however_much_it_is(
    db: Database, team: TeamId, streams: Streams, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "TOLD_AT_ONCE", 10)
    other = await a_team(database_url, "other")
    await a_running_task(db, team)
    await many_tasks(database_url, other, 5)
    await many_tasks(database_url, team, 33)
    await a_task(db, team)
    events = streams.team(caller(team), team, after=None)
    everything = streams.team(caller(team, key_id=2), None, after=None)
    first = await told(events, 10)
    # What changes before its page is read is told as it is then; what is erased is not told.
    await execute(
        database_url, "UPDATE tasks SET deleted_at = now() WHERE seq = (SELECT max(seq) FROM tasks)"
    )
    rest = await told(events, 24)
    assert [state for _, state, _ in first + rest] == ["running", *["queued"] * 33]
    place = await anext(events)
    assert place is not None
    assert place.news is None, "the present is complete"
    assert len(await told(everything, 39)) == 39
    await events.aclose()  # type: ignore[attr-defined]
    await everything.aclose()  # type: ignore[attr-defined]


async def test_a_key_has_so_many_streams(db: Database, team: TeamId, streams: Streams) -> None:
    task_id = await a_task(db, team)
    opened = [streams.task(caller(team), team, task_id, after=None) for _ in range(3)]
    for events in opened:
        await anext(events)
    with pytest.raises(TooManyStreamsError, match="3 streams"):
        await anext(streams.task(caller(team), team, task_id, after=None))
    await anext(streams.task(caller(team, key_id=2), team, task_id, after=None))
    await opened[0].aclose()  # type: ignore[attr-defined]
    assert await anext(streams.team(caller(team), team, after=None)) is not None


async def test_silence_is_told_and_the_end_of_the_process_ends_streams(
    db: Database, team: TeamId, streams: Streams, feed: Feed
) -> None:
    events = streams.task(caller(team), team, await a_task(db, team), after=None)
    await anext(events)
    assert await anext(events) is None
    feed.end()
    assert [event async for event in events] == []
    late = streams.team(caller(team), team, after=None)
    assert [event async for event in late if event and event.news is None] != []


async def insert_event(connection: asyncpg.Connection, task_id: TaskId, event: str) -> None:
    await connection.execute(
        "INSERT INTO task_events (task_seq, team_id, event, actor_kind) "
        "SELECT seq, team_id, $2, 'system' FROM tasks WHERE id = $1",
        task_id,
        event,
    )


@pytest.mark.parametrize("commits", [True, False])
async def test_an_event_that_commits_late_is_neither_lost_nor_told_out_of_order(
    db: Database, team: TeamId, database_url: str, commits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "GAP_S", 0.4)
    first, second = await a_task(db, team), await a_task(db, team)
    async with a_feed(db) as feed:
        subscription = await feed.open(team)
        slow, quick = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
        transaction = slow.transaction()
        await transaction.start()
        await insert_event(slow, first, "claimed")
        await insert_event(quick, second, "claimed")
        await asyncio.sleep(0.15)
        assert await subscription.take(0.05) == [], "the second waits behind the first"
        await (transaction.commit() if commits else transaction.rollback())
        seen: list[Change] = []
        async with asyncio.timeout(5):
            while len(seen) < 1 + commits:
                seen += await subscription.take(1)
        assert [change.task_id for change in seen] == ([first, second] if commits else [second])
        await slow.close()
        await quick.close()


class CountingDatabase(Database):
    """Counts how often a connection is taken."""

    uses = 0

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[UnitOfWork]:
        self.uses += 1
        async with super().autocommit() as work:
            yield work


async def test_the_cost_does_not_grow_with_the_streams(team: TeamId, database_url: str) -> None:
    database = CountingDatabase(database_url)
    uses = []
    for followers in (1, 200):
        async with a_feed(database) as feed:
            for _ in range(followers):
                await feed.open(team)
            database.uses = 0
            await asyncio.sleep(0.6)
            uses.append(database.uses)
    assert uses[1] <= uses[0] + 2
    database.uses = 0
    async with a_feed(database):
        await asyncio.sleep(0.3)
    assert database.uses == 0, "nobody follows, nothing is read"
    await database.close()


def test_a_reader_that_does_not_keep_up_is_cut_off() -> None:
    subscription = Subscription(None, None)
    for number in range(MOST_WAITING + 1):
        subscription.offer(a_change(number + 1))
    assert subscription.is_closed


def test_only_the_latest_progress_of_a_task_waits() -> None:
    subscription = Subscription(TeamId(1), None)
    for _ in range(100):
        subscription.offer(a_change(None))
    assert len(asyncio.run(subscription.take(1))) == 1


def a_change(number: int | None) -> Change:
    return Change(
        id=number,
        event="claimed" if number else None,
        task_id=TaskId(UUID(int=1)),
        team_id=TeamId(1),
        public_team_id=UUID(int=2),
        status=TaskStatus.RUNNING,
        progress=0.5,
        stage="lm",
        progress_text=None,
        error_code=None,
        error_message=None,
        is_shown=True,
    )
