"""Stand-ins at the true edges; everything else in the tests is real."""

from collections.abc import Sequence
from uuid import UUID

from app.domain.ports import Ping
from app.domain.task import TaskId


class ListeningDoorbell:
    """Remembers who was rung for."""

    def __init__(self) -> None:
        self.rung: list[TaskId] = []
        self.nudged: list[UUID] = []
        self.changes = 0

    def ring(self, pings: Sequence[Ping]) -> None:
        self.rung += [ping.task_id for ping in pings]

    def nudge(self, worker_id: UUID) -> None:
        self.nudged.append(worker_id)

    def changed(self) -> None:
        self.changes += 1
