"""What a storm does to the service: a list drawn from a seed, each act a short one."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.domain.ports import Ping
from app.queue.doorbell import ArqDoorbell
from tests.chaos.fleet import Fleet, child_of
from tests.chaos.invariants import Witness
from tests.chaos.proxy import NONE, Fault, Proxy
from tests.servers import execute

Act = Callable[[Fleet, Witness, random.Random], Awaitable[None]]


async def kill_worker(fleet: Fleet, witness: Witness, chance: random.Random) -> None:
    """SIGKILL, at any moment."""
    if worker := fleet.a_worker(chance):
        fleet.replace_worker(worker[0], signal.SIGKILL)


async def end_worker(fleet: Fleet, witness: Witness, chance: random.Random) -> None:
    """SIGTERM: it finishes or gives back."""
    if worker := fleet.a_worker(chance):
        fleet.replace_worker(worker[0], signal.SIGTERM)


async def kill_child(fleet: Fleet, witness: Witness, chance: random.Random) -> None:
    """SIGKILL for the process that holds the model."""
    if (worker := fleet.a_worker(chance)) and (child := child_of(worker[1])):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


async def stop_worker(fleet: Fleet, witness: Witness, chance: random.Random) -> None:
    """SIGSTOP, often past the lease, while its child goes on; then it wakes up."""
    if worker := fleet.a_worker(chance):
        await _stopped(worker[1], chance.uniform(0.5, 5.0))


async def stop_child(fleet: Fleet, witness: Witness, chance: random.Random) -> None:
    """SIGSTOP for the child while its worker keeps the lease."""
    if (worker := fleet.a_worker(chance)) and (child := child_of(worker[1])):
        await _stopped(child, chance.uniform(0.3, 1.5))


async def _stopped(pid: int, seconds: float) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(pid, signal.SIGCONT)


async def flush(fleet: Fleet, witness: Witness, chance: random.Random) -> None:
    """FLUSHALL: every bell that was not heard yet is lost."""
    redis = Redis.from_url(fleet.stack.redis_url)
    with suppress(RedisError):
        await redis.flushall()
    await redis.aclose()


async def silent_redis(fleet: Fleet, witness: Witness, chance: random.Random) -> None:
    """Nobody hears Redis for a while."""
    async with _under(fleet.redis, Fault(silent=True)), _under(fleet.bell, Fault(silent=True)):
        await asyncio.sleep(chance.uniform(0.5, 3.0))


async def kill_redis(fleet: Fleet, witness: Witness, chance: random.Random) -> None:
    """SIGKILL; it comes back empty."""
    fleet.signal_server("valkey", signal.SIGKILL)


async def lose_pings(fleet: Fleet, witness: Witness, chance: random.Random) -> None:
    """What the API rings never arrives."""
    async with _under(fleet.bell, Fault(reset=True)):
        await asyncio.sleep(chance.uniform(0.5, 2.0))


async def double_pings(fleet: Fleet, witness: Witness, chance: random.Random) -> None:
    """Rings for tasks of any state, many times each, stale attempts included."""
    if not witness.acknowledged:
        return
    ids = chance.choices(sorted(witness.acknowledged), k=5)
    doorbell = ArqDoorbell(fleet.stack.redis_url)
    await doorbell.start()
    doorbell.ring([Ping(UUID(task_id), attempt) for task_id in ids for attempt in range(10)])
    await doorbell.close()


async def restart_postgres(fleet: Fleet, witness: Witness, chance: random.Random) -> None:
    """Immediate, fast, or killed; its supervisor starts it again."""
    fleet.signal_server("postgres", chance.choice([signal.SIGQUIT, signal.SIGINT, signal.SIGKILL]))


async def cut_database(fleet: Fleet, witness: Witness, chance: random.Random) -> None:
    """Every connection is ended, on either side, in the middle of whatever it does."""
    if chance.random() < 0.5:
        async with _under(fleet.database, Fault(reset=True)):
            await asyncio.sleep(chance.uniform(0.0, 1.0))
    else:
        with suppress(OSError):
            await execute(
                fleet.stack.database_url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
            )


async def slow_database(fleet: Fleet, witness: Witness, chance: random.Random) -> None:
    """Every answer of the database comes late, or none comes for a moment."""
    fault = Fault(silent=True) if chance.random() < 0.5 else Fault(delay_s=0.1)
    async with _under(fleet.database, fault):
        await asyncio.sleep(chance.uniform(0.5, 1.5))


async def restart_api(fleet: Fleet, witness: Witness, chance: random.Random) -> None:
    """One of the API processes ends under load, by SIGKILL or in order, and comes back."""
    which = chance.randrange(len(fleet.apis))
    if "api" in fleet.apis[which].processes:
        fleet.replace_api(which, chance.choice([signal.SIGKILL, signal.SIGTERM]))


async def bad_store(fleet: Fleet, witness: Witness, chance: random.Random) -> None:
    """The object store is away, silent, slow, or every connection to it breaks early."""
    fault = chance.choice(
        [
            Fault(reset=True),
            Fault(silent=True),
            Fault(bytes_per_s=5_000.0),
            Fault(cut_after_bytes=chance.randrange(200, 8_000)),
        ]
    )
    async with _under(fleet.s3, fault):
        await asyncio.sleep(chance.uniform(0.5, 3.0))


@asynccontextmanager
async def _under(proxy: Proxy, fault: Fault) -> AsyncIterator[None]:
    proxy.fault = fault
    try:
        yield
    finally:
        proxy.fault = NONE


# How often each act happens in a storm of 5 000 tasks, and at least in any storm.
SHARES: tuple[tuple[Act, int, int], ...] = (
    (kill_worker, 18, 1),
    (kill_child, 16, 1),
    (stop_worker, 16, 1),
    (stop_child, 8, 0),
    (end_worker, 10, 1),
    (flush, 8, 1),
    (silent_redis, 5, 0),
    (kill_redis, 4, 1),
    (lose_pings, 5, 1),
    (double_pings, 8, 1),
    (restart_postgres, 4, 1),
    (cut_database, 4, 1),
    (slow_database, 3, 0),
    (restart_api, 3, 1),
    (bad_store, 12, 1),
)


def plan_acts(chance: random.Random, tasks: int) -> list[Act]:
    """Draw the acts of a storm of so many tasks, and their order."""
    acts = [act for act, often, least in SHARES for _ in range(max(least, often * tasks // 5000))]
    chance.shuffle(acts)
    return acts
