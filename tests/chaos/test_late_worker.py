"""Workers that sleep past their lease and wake up with a result: none is ever accepted.

`LATE_ROUNDS=100` is the long version.
"""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from app.db.engine import Database
from app.services.recovery import Recovery
from app.storage.folder import FolderStore
from tests.chaos.fleet import child_of
from tests.chaos.invariants import Scene, Witness, broken_invariants
from tests.fakes import ListeningDoorbell
from tests.processes import STUB, Service, a_service

pytestmark = [pytest.mark.chaos, pytest.mark.inference]

ROUNDS = int(os.environ.get("LATE_ROUNDS", "4"))
WORKERS = ("one", "two", "three")


@pytest_asyncio.fixture
async def service(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Service]:
    async with a_service(
        tmp_path,
        database_url=database_url,
        redis_url=redis_url,
        ACESTEP_ENGINE=STUB,
        ACESTEP_LEASE_SECONDS="1",
        ACESTEP_MAX_ATTEMPTS="100",
    ) as service:
        await asyncio.gather(*(service.start(name) for name in ("api", *WORKERS)))
        yield service


class Night:
    """Puts workers to sleep, two of three at a time, each with a task in its hands."""

    def __init__(self, service: Service, rows: asyncpg.Pool) -> None:
        self._service = service
        self._rows = rows
        database = Database(service.environment["DATABASE_URL"])
        self._recovery = Recovery(database, ListeningDoorbell(), max_crashes=100, lease_s=0)
        self._asleep: set[int] = set()
        self._left = ROUNDS
        self.ids: list[str] = []
        self.outcomes: Counter[str] = Counter()

    async def rounds(self, chance: random.Random) -> None:
        """Go on until so many workers have slept past their lease."""
        while self._left > 0:
            task_id = await self._service.submit(
                prompt="sleep=0.4 steps=8 clip=0.1", audio_duration=10, batch_size=2, audio_format="wav"
            )
            self.ids.append(task_id)
            if await self._sleeps_past_lease(task_id, chance):
                self._left -= 1
            assert (await self._service.finished(task_id)).status == 1

    async def _sleeps_past_lease(self, task_id: str, chance: random.Random) -> bool:
        """Stop the worker of a task until another one has done it; False if it was done in time."""
        pid, attempt = await self._service.until(lambda: self._holder(task_id), what=f"a claim of {task_id}")
        await asyncio.sleep(chance.uniform(0.0, 0.8))
        if pid is None or pid in self._asleep:
            return False
        child = child_of(pid) if chance.random() < 0.3 else None
        pids = [pid, *([child] if child else [])]
        self._asleep.add(pid)
        for number in pids:
            os.kill(number, signal.SIGSTOP)
        try:
            await self._service.until(lambda: self._has_left(task_id, attempt), what="the lease to end")
            await self._service.finished(task_id)
        finally:
            for number in reversed(pids):
                os.kill(number, signal.SIGCONT)
            self._asleep.discard(pid)
        done = await self._rows.fetchval("SELECT attempt FROM tasks WHERE id = $1", task_id)
        self.outcomes["by another" if done > attempt else "in time"] += 1
        return bool(done > attempt)

    async def _holder(self, task_id: str) -> tuple[int | None, int] | None:
        """Process id of the worker (None if the task has ended) and attempt, once it is claimed."""
        row = await self._rows.fetchrow(
            "SELECT w.pid, t.attempt FROM tasks t LEFT JOIN workers w ON w.id = t.worker_id "
            "WHERE t.id = $1 AND t.status <> 'queued'",
            task_id,
        )
        return (row["pid"], row["attempt"]) if row else None

    async def _has_left(self, task_id: str, attempt: int) -> bool:
        """Sweep as every process does, only more often; whether the attempt has the row no longer."""
        await self._recovery.sweep()
        row = await self._rows.fetchrow("SELECT attempt, status FROM tasks WHERE id = $1", task_id)
        return bool(row["attempt"] != attempt or row["status"] != "running")


async def test_no_late_result_is_accepted(service: Service, database_url: str) -> None:
    seed = int(os.environ.get("LATE_SEED", random.SystemRandom().randrange(10**6)))
    print(f"\nlate workers: LATE_SEED={seed} LATE_ROUNDS={ROUNDS}")
    async with asyncpg.create_pool(database_url, min_size=2, max_size=4) as rows:
        night = Night(service, rows)
        await asyncio.gather(*(night.rounds(random.Random(f"{seed} {lane}")) for lane in range(2)))
    for name in WORKERS:
        await service.stop(name)
    logs = [service.log_of(name) for name in WORKERS]
    said = Counter(
        text
        for log in logs
        for text in ("late result dropped", "task is no longer mine")
        for _ in range(log.read_text().count(text))
    )
    print(f"late workers: {night.outcomes}, {said}")
    store = FolderStore(service.folder / "data" / "objects")
    connection = await asyncpg.connect(database_url)
    kept = {row["storage_key"] for row in await connection.fetch("SELECT storage_key FROM objects")}
    await connection.close()
    assert {item.key async for item in store.list("")} == kept, "late attempts remove their own objects"
    witness = Witness(acknowledged=set(night.ids))
    scene = Scene(database_url=database_url, store=store, api_url=service.url, witness=witness, logs=logs)
    assert not await broken_invariants(scene), seed
    assert night.outcomes["by another"] >= ROUNDS
