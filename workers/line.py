"""The order of the jobs in one slot: one computes, those before it encode and upload, one waits behind it.

The next task is claimed when the one that computes enters its last stage on the accelerator, so that its
inputs are fetched and decoded meanwhile and the accelerator never waits for a claim.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto

from workers.failure import TaskReleased
from workers.health import Health
from workers.job import RunningJob

# Jobs that may encode and upload while the next one computes; more would pile up where the CPU or the
# network is slower than the accelerator.
MOST_IN_POST = 2


class Place(Enum):
    """Where a job is."""

    WAITING = auto()
    COMPUTING = auto()
    LEAVING = auto()  # in its last stage on the accelerator
    POST = auto()


class Line:
    """Everyone in one slot, and whether there is room for one more.

    Attributes:
        health: of the slot's children; nobody's turn comes on a broken machine.
    """

    def __init__(self) -> None:
        self.health = Health()
        self._places: dict[RunningJob, Place] = {}
        self._closed = False
        self._changed = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Whether no job needs the child now or soon."""
        return all(place is Place.POST for place in self._places.values())

    async def room(self) -> bool:
        """Wait until one more task may be claimed; False when the line is closed."""
        await self._until(lambda: self._closed or self._has_room())
        return not self._closed

    def join(self, job: RunningJob) -> None:
        """Begin to wait at the end of the line."""
        self._move(job, Place.WAITING)

    async def turn(self, job: RunningJob) -> None:
        """Wait until the child is free for this job; it is in use then until `computed`.

        Raises:
            TaskReleased: the line was closed, or the machine is broken.
        """
        await self._until(lambda: self._turns_away or self._is_turn_of(job))
        if self._turns_away:
            raise TaskReleased
        self._move(job, Place.COMPUTING)

    def leaving(self, job: RunningJob) -> None:
        """The job is in its last stage on the accelerator."""
        if self._places[job] is Place.COMPUTING:
            self._move(job, Place.LEAVING)

    def computed(self, job: RunningJob) -> None:
        """The job needs the model no longer."""
        self._move(job, Place.POST)

    def leave(self, job: RunningJob) -> None:
        """The job has ended."""
        del self._places[job]
        self._changed.set()

    def close(self) -> None:
        """Take nobody in any more, and turn away who waits, also who still waits for its inputs."""
        self._closed = True
        for job, place in self._places.items():
            if place is Place.WAITING:
                job.turned_away.set()
        self._changed.set()

    @property
    def _turns_away(self) -> bool:
        return self._closed or self.health.is_broken

    def _has_room(self) -> bool:
        places = self._places.values()
        if Place.WAITING in places or Place.COMPUTING in places:
            return False
        return len(places) <= MOST_IN_POST and not any(job.runs_alone for job in self._places)

    def _is_turn_of(self, job: RunningJob) -> bool:
        others = [place for other, place in self._places.items() if other is not job]
        if Place.COMPUTING in others or Place.LEAVING in others:
            return False
        return len(others) <= (0 if job.runs_alone else MOST_IN_POST)

    def _move(self, job: RunningJob, place: Place) -> None:
        self._places[job] = place
        self._changed.set()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()
