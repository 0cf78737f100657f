"""What monitoring shows of the whole service at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamNumbers:
    """Tasks of one team; the last three count since the beginning."""

    name: str
    waiting: int
    oldest_s: float
    running: int
    succeeded: int
    failed: int
    cancelled: int


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
