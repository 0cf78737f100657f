"""Streams of tasks: first the present, or what was missed since the last time; then every change."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

from app.db.engine import Database
from app.domain.errors import NotFoundError, TooManyStreamsError
from app.domain.stream import Change, Told, news
from app.domain.task import Caller, TaskId, TeamId
from app.services.feed import Feed, Subscription

TICK_S = 15.0
# A team's stream goes on after an event that is among so many latest ones of the service.
MOST_MISSED = 100_000
TOLD_AT_ONCE = 1000


class Streams:
    """The use cases behind the two `/stream` routes; None among what they yield says that a tick is over."""

    def __init__(self, database: Database, feed: Feed, *, most_per_key: int, tick_s: float = TICK_S) -> None:
        self._database = database
        self._feed = feed
        self._most_per_key = most_per_key
        self._tick_s = tick_s
        self._open: Counter[tuple[TeamId, int | None]] = Counter()

    @property
    def count(self) -> int:
        """How many are open."""
        return self._open.total()

    def end(self) -> None:
        """Close all streams: the process stops."""
        self._feed.end()

    async def task(
        self, caller: Caller, team_id: TeamId | None, task_id: TaskId, *, after: int | None
    ) -> AsyncIterator[Told | None]:
        """Follow a task of the team, or of any for None, until it has ended.

        Args:
            after: the last event that the client has seen.

        Raises:
            NotFoundError: unknown or foreign.
            TooManyStreamsError: the key has as many as it may.
        """
        with self._counted(caller):
            subscription = await self._feed.open(team_id, task_id)
            try:
                seen = 0
                for change in await self._first_of_task(team_id, task_id, after):
                    seen = change.id or seen
                    yield _told(change, names_team=False)
                    if change.state.is_final:
                        return
                async for changed in self._changes(subscription):
                    if changed is None:
                        yield None
                        changed = await self._end_of(team_id, task_id)
                    if changed is not None and (changed.id is None or changed.id > seen):
                        yield _told(changed, names_team=False)
                        if changed.state.is_final:
                            return
            finally:
                self._feed.leave(subscription)

    async def team(
        self, caller: Caller, team_id: TeamId | None, *, after: int | None
    ) -> AsyncIterator[Told | None]:
        """Follow all tasks of the team, or of all teams for None.

        Args:
            after: the last event that the client has seen.

        Raises:
            TooManyStreamsError: the key has as many as it may.
        """
        with self._counted(caller):
            subscription = await self._feed.open(team_id)
            try:
                upto = self._feed.place
                if after is not None and not 0 <= upto - after <= MOST_MISSED:
                    after = None  # too long ago, or of another database
                seen: dict[TaskId, int] = {}
                async for change in self._first_of_team(team_id, after, upto):
                    seen[change.task_id] = change.id or 0
                    # The place is told when the present is complete: before, a client has to begin anew.
                    yield _told(change, names_team=True, has_place=change.event is not None)
                yield Told(id=upto)
                async for changed in self._changes(subscription):
                    if changed is None:
                        yield None
                    elif changed.id is None or changed.id > max(seen.get(changed.task_id, 0), after or 0):
                        yield _told(changed, names_team=True)
            finally:
                self._feed.leave(subscription)

    async def _first_of_task(
        self, team_id: TeamId | None, task_id: TaskId, after: int | None
    ) -> Sequence[Change]:
        """What was missed, or the present state."""
        async with self._database.autocommit() as work:
            present = await work.events.present(team_id, task_id)
            if present is None:
                raise NotFoundError("task not found")
            missed = [] if after is None else await work.events.missed_of(task_id, after=after)
        return missed or [present]

    async def _end_of(self, team_id: TeamId | None, task_id: TaskId) -> Change | None:
        """The final state, if the task has ended: looked for at every tick, in case its event was erased."""
        async with self._database.autocommit() as work:
            present = await work.events.present(team_id, task_id)
        if present is None:
            raise NotFoundError("task not found")
        return present if present.state.is_final else None

    async def _first_of_team(
        self, team_id: TeamId | None, after: int | None, upto: int
    ) -> AsyncIterator[Change]:
        """What was missed, or the present state of everything that has not ended."""
        if after is None:
            async with self._database.autocommit() as work:
                live = await work.events.live(team_id)
            for first in range(0, len(live), TOLD_AT_ONCE):
                async with self._database.autocommit() as work:
                    present = await work.events.present_of(live[first : first + TOLD_AT_ONCE])
                for change in present:
                    yield change
            return
        while True:
            async with self._database.autocommit() as work:
                missed = await work.events.missed(team_id, after=after, upto=upto, most=TOLD_AT_ONCE)
            for change in missed:
                yield change
            if len(missed) < TOLD_AT_ONCE:
                return
            after = missed[-1].id or upto

    async def _changes(self, subscription: Subscription) -> AsyncIterator[Change | None]:
        """Pass on what the feed offers, and None at every tick; ends with the subscription."""
        loop = asyncio.get_running_loop()
        tick_at = loop.time() + self._tick_s
        while True:
            for change in await subscription.take(max(0.0, tick_at - loop.time())):
                yield change
            if subscription.is_closed:
                return
            if loop.time() >= tick_at:
                tick_at = loop.time() + self._tick_s
                yield None

    @contextmanager
    def _counted(self, caller: Caller) -> Iterator[None]:
        key = (caller.team_id, caller.key_id)
        if self._open[key] >= self._most_per_key:
            raise TooManyStreamsError(
                f"the key has {self._most_per_key} streams open, which is the most", retry_after_s=5
            )
        self._open[key] += 1
        try:
            yield
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]


def _told(change: Change, *, names_team: bool, has_place: bool = True) -> Told:
    is_state = change.id is not None
    return Told(
        id=change.id if has_place else None,
        kind="state" if is_state else "progress",
        news=news(change, names_team=names_team),
    )
