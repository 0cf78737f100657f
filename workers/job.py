"""One claimed task in this process: where it is, how long it took, and whether it shall stop."""

import asyncio
import time

from app.db.tasks import Beat, ClaimedTask
from app.domain.task import TaskId
from workers.pace import Silence
from workers.progress import GPU_STAGES, Progress

# A step of progress that is worth a write of its own: a job causes at most 20 of them.
WORTH_TELLING = 0.05
_ENOUGH_TO_ESTIMATE = 0.1


class RunningJob:
    """See the module.

    Attributes:
        begun_at: time of the claim, as `time.monotonic`.
        cancelled: set when a cancel was asked for.
        lost: set when another attempt owns the task.
        turned_away: set when the worker stops before a child has begun with it.
        ending: the outcome is being written, so a row that is no longer running is no surprise.
        is_computed: the accelerator is done with it.
        is_in_child: a child has work of it, and must be dead before the task is given back.
        is_written: its result is in the scratch folder; only store and database are waited for.
        stages: when each stage began, in nanoseconds since 1970.
        silence: listens while a child works for it; None before and after.
    """

    def __init__(self, task: ClaimedTask) -> None:
        self.task = task
        self.begun_at = time.monotonic()
        self.progress = Progress(has_source=bool(task.inputs))
        self.cancelled = asyncio.Event()
        self.lost = asyncio.Event()
        self.turned_away = asyncio.Event()
        self.ending = False
        self.is_computed = False
        self.is_in_child = False
        self.is_written = False
        self.stages: list[tuple[str, int]] = [(self.progress.stage, time.time_ns())]
        self.silence: Silence | None = None
        self.stage_changed = False
        self._computing_since: float | None = None
        self._gpu_since: float | None = None
        self._gpu_seconds = 0.0
        self._told = self.progress.value

    @property
    def key(self) -> tuple[TaskId, int]:
        """Task and attempt; two attempts of one task can meet in one worker."""
        return self.task.id, self.task.attempt

    @property
    def child_id(self) -> str:
        """How slot and child call it."""
        return f"{self.task.id}/{self.task.attempt}"

    @property
    def runs_alone(self) -> bool:
        """A task that lost a child before shares none, so that no neighbour is blamed for it twice."""
        return self.task.crashes > 0

    @property
    def is_hung(self) -> bool:
        """Whether its child has been silent for longer than it may."""
        return self.silence is not None and self.silence.left_s < 0

    @property
    def gpu_seconds(self) -> float:
        """Seconds in which the accelerator was held, without waiting and without loading a model."""
        running = 0.0 if self._gpu_since is None else time.monotonic() - self._gpu_since
        return self._gpu_seconds + running

    @property
    def rest_s(self) -> float | None:
        """Estimated seconds to the end; None before there is anything to go by."""
        if self._computing_since is None or self.progress.value < _ENOUGH_TO_ESTIMATE:
            return None
        spent_s = time.monotonic() - self._computing_since
        return spent_s * (1.0 - self.progress.value) / self.progress.value

    def beat(self) -> Beat:
        """What the next heartbeat writes."""
        self._told = self.progress.value
        return Beat(
            id=self.task.id,
            attempt=self.task.attempt,
            progress=self.progress.value,
            stage=self.progress.stage,
            progress_text=self.progress.text,
            stage_changed=self.stage_changed,
        )

    def report(self, stage: str, done: int, total: int) -> bool:
        """Take in progress of the engine; returns whether a poller should see it soon."""
        if self.silence is not None:
            self.silence.heard(stage)
        self._hold_gpu(stage in GPU_STAGES)
        if self.progress.report(stage, done, total):
            self.stage_changed = True
            self.stages.append((self.progress.stage, time.time_ns()))
        return self.stage_changed or self.progress.value - self._told >= WORTH_TELLING

    def computed(self) -> None:
        """Note that the accelerator works for it no longer."""
        self.is_computed = True
        self._hold_gpu(False)

    def _hold_gpu(self, holds: bool) -> None:
        now = time.monotonic()
        if holds and self._gpu_since is None:
            self._gpu_since = now
            self._computing_since = self._computing_since or now
        elif not holds and self._gpu_since is not None:
            self._gpu_seconds += now - self._gpu_since
            self._gpu_since = None
