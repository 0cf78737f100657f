"""What monitoring shows of the whole service at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

WAIT_BOUNDS_S = (0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
"""Waits of tasks are counted between these; the counts of a team are stored in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamNumbers:
    """Tasks of one team; all but `waiting`, `oldest_s` and `running` count since the beginning.

    Attributes:
        waits: how many tasks waited up to each of `WAIT_BOUNDS_S` but longer than the one before, until they
            first started, and at last how many waited longer than all.
        waits_s: the sum of these waits.
    """

    name: str
    waiting: int
    oldest_s: float
    running: int
    succeeded: int
    failed: int
    cancelled: int
    waits: Sequence[int]
    waits_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerNumbers:
    """One live worker process."""

    id: UUID
    state: str
    slots: int
    doorbell_failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """One reading.

    Attributes:
        stages: median and 95th percentile of the latest tasks, in seconds by stage.
        deliveries_waiting: webhooks still to be delivered, and `deliveries_oldest_s` the age of the oldest.
    """

    teams: Sequence[TeamNumbers]
    workers: Sequence[WorkerNumbers]
    stages: Mapping[str, tuple[float, float]]
    leases_lost: int
    deliveries_waiting: int
    deliveries_oldest_s: float
