"""One reader of changes for all streams of a process: one statement a turn, however many follow.

Events are passed on in the order of their ids, so that a client can go on after any of them and misses none.
An id that is not visible yet, although a higher one is, belongs to a transaction about to commit, or to one
that failed: the events behind such a gap wait for a moment.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

from app.db.engine import Database
from app.domain.errors import DatabaseUnavailableError
from app.domain.stream import Change
from app.domain.task import TaskId, TeamId

log = logging.getLogger(__name__)

POLL_S = 0.5
SHORTEST_PAUSE_S = 0.1
AFTER_FAILURE_S = 2.0
MOST_EVENTS = 2000
# A lock is waited for two seconds at most, then the commit follows.
GAP_S = 3.0
# How far back a feed looks for gaps when it begins.
GAP_WINDOW = 200
# A reader this far behind is cut off; it comes back with the last id it has seen.
MOST_WAITING = 5000


class Subscription:
    """What one stream has still to be told: every state in order, and the latest progress of each task."""

    def __init__(self, team_id: TeamId | None, task_id: TaskId | None) -> None:
        self.team_id = team_id
        self.task_id = task_id
        self.is_closed = False
        self._states: deque[Change] = deque()
        self._progress: dict[TaskId, Change] = {}
        self._ready = asyncio.Event()

    def offer(self, change: Change) -> None:
        """Take a change in, if this stream is about it."""
        if self.team_id not in (None, change.team_id) or self.task_id not in (None, change.task_id):
            return
        if change.id is None:
            self._progress[change.task_id] = change
        else:
            self._states.append(change)
            self._progress.pop(change.task_id, None)
        if len(self._states) > MOST_WAITING:
            self.close()
        self._ready.set()

    def close(self) -> None:
        """End the stream once it has told what waits."""
        self.is_closed = True
        self._ready.set()

    async def take(self, longest_s: float) -> list[Change]:
        """Wait for changes, at most this long."""
        try:
            async with asyncio.timeout(longest_s):
                await self._ready.wait()
        except TimeoutError:
            return []
        self._ready.clear()
        taken = [*self._states, *self._progress.values()]
        self._states.clear()
        self._progress.clear()
        return taken


class Feed:
    """Reads changes while anybody follows, and hands them to the subscriptions."""

    def __init__(self, database: Database, *, poll_s: float = POLL_S) -> None:
        self._database = database
        self._poll_s = poll_s
        self._subscriptions: set[Subscription] = set()
        self._opening = asyncio.Lock()
        self._soon = asyncio.Event()
        self._is_ended = False
        self._place: int | None = None
        self._gap: tuple[float, int] | None = None
        self._told: dict[TaskId, tuple[float, str | None, str | None]] = {}

    @property
    def place(self) -> int:
        """The id up to which everything was handed on."""
        assert self._place is not None, "known while there is a subscription"
        return self._place

    def look_soon(self) -> None:
        """Somebody says that there is something new."""
        self._soon.set()

    async def open(self, team_id: TeamId | None, task_id: TaskId | None = None) -> Subscription:
        """Begin to follow a team, or all for None, or one task; whatever commits from now on is told.

        Raises:
            DatabaseUnavailableError: nothing is known of the present.
        """
        subscription = Subscription(team_id, task_id)
        async with self._opening:
            if self._place is None:
                self._place = await self._first_place()
                self._gap, self._told = None, {}
            self._subscriptions.add(subscription)
        if self._is_ended:
            subscription.close()
        self._soon.set()
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Stop to follow; the last one ends the reading."""
        self._subscriptions.discard(subscription)
        if not self._subscriptions:
            self._place = None

    def end(self) -> None:
        """Close all streams, now and from now on: the process stops."""
        self._is_ended = True
        for subscription in self._subscriptions:
            subscription.close()

    async def run_forever(self) -> None:
        """Read until cancelled."""
        while True:
            pause_s = AFTER_FAILURE_S
            try:
                pause_s = await self._turn()
            except DatabaseUnavailableError:
                log.warning("streams wait: database not available")
            except Exception:
                log.exception("streams failed, going on")
            await asyncio.sleep(SHORTEST_PAUSE_S)
            try:
                async with asyncio.timeout(pause_s if self._subscriptions else None):
                    await self._soon.wait()
            except TimeoutError:
                pass

    async def _turn(self) -> float:
        """Read once and hand on; returns how long to wait at most."""
        self._soon.clear()
        place = self._place
        if place is None:
            return self._poll_s
        teams = {subscription.team_id for subscription in self._subscriptions}
        async with self._database.autocommit() as work:
            found = await work.events.after(
                place,
                most=MOST_EVENTS,
                teams=[team for team in teams if team is not None],
                everyone=None in teams,
            )
        if self._place != place:  # everybody left, and perhaps others came
            return 0.0
        events = [change for change in found if change.id is not None]
        self._hand_on(self._in_order(events, place))
        if self._gap is None:  # else progress could be told before the state that it belongs to
            self._hand_on(self._news_of_progress([change for change in found if change.id is None]))
        return 0.0 if len(events) >= MOST_EVENTS else self._poll_s

    def _in_order(self, events: Sequence[Change], place: int) -> list[Change]:
        """The events up to the first gap that may still close; moves the place behind them."""
        now = asyncio.get_running_loop().time()
        passed = []
        given_up = self._gap[1] if self._gap and now >= self._gap[0] else 0
        for change in events:
            assert change.id is not None
            if change.id != place + 1 and change.id > given_up:
                if self._gap is None or given_up:
                    highest = events[-1].id
                    assert highest is not None
                    self._gap = (now + GAP_S, highest)
                break
            place = change.id
            passed.append(change)
        else:
            self._gap = None
        self._place = place
        return passed

    def _news_of_progress(self, running: Sequence[Change]) -> list[Change]:
        """Those whose progress is not what was told before."""
        seen = {change.task_id: (change.progress, change.stage, change.progress_text) for change in running}
        changed = [change for change in running if self._told.get(change.task_id) != seen[change.task_id]]
        self._told = seen
        return [change for change in changed if change.is_shown]

    def _hand_on(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.id is None or change.tells_state:
                for subscription in self._subscriptions:
                    subscription.offer(change)

    async def _first_place(self) -> int:
        """Where to begin: before the first gap among the latest events, which may still close."""
        async with self._database.autocommit() as work:
            newest = await work.events.newest()
            recent = await work.events.recent(newest - GAP_WINDOW)
        place = recent[0] if recent else newest
        for id_ in recent[1:]:
            if id_ != place + 1:
                break
            place = id_
        return place
