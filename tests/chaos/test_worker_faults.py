"""A worker or its child dies at a chosen place: rows 4 to 10 of the fault matrix (docs/faults.md)."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg
import pytest
import pytest_asyncio

from app.db.engine import Database
from app.services.recovery import Recovery
from tests.chaos.fleet import ALL_FAULTS, Fleet
from tests.fakes import ListeningDoorbell

pytestmark = [pytest.mark.chaos, pytest.mark.inference]

IN_THE_WORKER = ("worker.after_claim", "worker.after_put", "worker.after_finish")
IN_THE_CHILD = ("child.before_compute", "child.step", "child.after_compute", "child.before_encode")
# The child's deaths are seen by quicker tests too, so that every run needs one of them only.
PLACES = (*IN_THE_WORKER, *(IN_THE_CHILD if ALL_FAULTS else ("child.step",)))
JOB = {"prompt": "steps=2 clip=0.1", "audio_duration": 10, "batch_size": 2, "audio_format": "wav"}


@pytest_asyncio.fixture
async def rows(fleet: Fleet) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(fleet.stack.database_url)
    yield connection
    await connection.close()


@pytest.mark.parametrize("place", PLACES)
async def test_a_death_anywhere_costs_one_attempt_at_most(
    fleet: Fleet, rows: asyncpg.Connection, place: str
) -> None:
    """The doomed worker is alone when the task comes; the other one does it again with the same seeds."""
    (healthy,) = [fleet.host.processes[name].pid for name in fleet.workers]
    await fleet.host.start("doomed", FAILPOINT=place)
    os.kill(healthy, signal.SIGSTOP)
    try:
        task_id = await fleet.host.submit(**JOB)
        await fleet.host.until(lambda: has_died(fleet, place), what=f"a death at {place}")
        if fleet.host.processes["doomed"].returncode is None:
            with suppress(ProcessLookupError):  # its next child would die too
                fleet.host.processes["doomed"].kill()
        await fleet.host.stop("doomed", signal.SIGKILL)
    finally:
        os.kill(healthy, signal.SIGCONT)
    await swept(fleet, rows, task_id)
    result = await fleet.host.finished(task_id)
    assert result.status == 1
    row = await rows.fetchrow("SELECT attempt, crashes FROM tasks WHERE id = $1", task_id)
    assert row["crashes"] == row["attempt"] - 1
    assert (row["attempt"] == 1) == (place == "worker.after_finish")
    seeds = await rows.fetchval(
        "SELECT params->>'seeds' FROM task_params JOIN tasks ON seq = task_seq WHERE id = $1", task_id
    )
    assert seeds == str([item["seed"] for item in result.items])


def has_died(fleet: Fleet, place: str) -> bool:
    if place.startswith("worker."):
        return fleet.host.processes["doomed"].returncode is not None
    return "child died" in fleet.host.log("doomed")


async def swept(fleet: Fleet, rows: asyncpg.Connection, task_id: str) -> None:
    """Sweep as every process does, only more often, until the dead attempt has lost the task."""
    database = Database(fleet.stack.database_url)
    recovery = Recovery(database, ListeningDoorbell(), max_crashes=10, lease_s=0)

    async def lost() -> bool:
        await recovery.sweep()
        row = await rows.fetchrow("SELECT attempt, status FROM tasks WHERE id = $1", task_id)
        return bool(row["attempt"] != 1 or row["status"] != "running")

    await fleet.host.until(lost, what="the lease to end", every_s=0.1)
    await database.close()
