"""The life cycle of tasks in plain Python: what the rows must say after the same moves.

Written from the table of moves, not from the SQL. The clock counts hours and moves only when told to.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from app.domain.task import TaskId

LEASE_H = 2.0
# The real waits are seconds; the clock stands still, so each is made this long after its length was checked.
WAIT_H = 1.0
MAX_CRASHES = 3
MAX_RUNNING = 3
LIVE = ("queued", "running")


@dataclass
class Row:
    """What is expected of one task."""

    number: int
    priority: int
    status: str = "queued"
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    worker: UUID | None = None
    asked: bool = False
    erased: bool = False
    lease_until: float = 0.0
    run_after: float = 0.0
    ends: int = 0

    def end(self, status: str) -> None:
        assert self.status in LIVE
        self.status, self.worker, self.ends = status, None, self.ends + 1


@dataclass
class Model:
    """All tasks of one team, and the moves they make."""

    rows: dict[TaskId, Row] = field(default_factory=dict)
    clock_h: float = 0.0

    def submit(self, task_id: TaskId, priority: int) -> None:
        self.rows[task_id] = Row(len(self.rows), priority, run_after=self.clock_h)

    def next(self) -> TaskId | None:
        """The task that a claim has to take: highest priority, then the oldest."""
        if self.count("running") >= MAX_RUNNING:
            return None
        ready = [
            (-row.priority, row.number, task_id)
            for task_id, row in self.rows.items()
            if row.status == "queued" and row.run_after <= self.clock_h
        ]
        return min(ready)[2] if ready else None

    def claim(self, task_id: TaskId, worker: UUID) -> int:
        row = self.rows[task_id]
        row.status, row.worker, row.attempt = "running", worker, row.attempt + 1
        row.lease_until = self.clock_h + LEASE_H
        return row.attempt

    def owns(self, task_id: TaskId, attempt: int) -> bool:
        """Whether this attempt may still change the row."""
        row = self.rows[task_id]
        return row.status == "running" and row.attempt == attempt

    def heartbeat(self, task_id: TaskId) -> bool:
        self.rows[task_id].lease_until = self.clock_h + LEASE_H
        return self.rows[task_id].asked

    def fail(self, row: Row, *, tries: int) -> int:
        """Returns the seconds it then waits, here and below; 0 = none, or it ended."""
        row.failures += 1
        if row.asked or row.failures >= tries:
            row.end("cancelled" if row.asked else "failed")
            return 0
        return self._back(row, 2 ** (row.failures - 1))

    def release(self, row: Row) -> int:
        if row.asked:
            row.end("cancelled")
            return 0
        return self._back(row, 0)

    def lose(self, row: Row) -> int:
        row.crashes += 1
        if row.asked or row.crashes >= MAX_CRASHES:
            row.end("cancelled" if row.asked else "failed")
            return 0
        return self._back(row, 0 if row.crashes == 1 else 2 ** (row.crashes - 1))

    def lose_where(self, is_lost: Callable[[Row], bool]) -> dict[TaskId, int]:
        """The waits of all running tasks that were lost."""
        lost = {key: row for key, row in self.rows.items() if row.status == "running" and is_lost(row)}
        return {key: self.lose(row) for key, row in lost.items()}

    def count(self, status: str) -> int:
        return sum(row.status == status for row in self.rows.values())

    def _back(self, row: Row, wait_s: int) -> int:
        row.status, row.worker = "queued", None
        row.run_after = self.clock_h + (WAIT_H if wait_s else 0)
        return wait_s
