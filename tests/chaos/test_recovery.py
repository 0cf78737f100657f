"""A task whose process died runs again at once on the same machine, long before its lease ends."""

import asyncio
import signal
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from tests.processes import STUB, Service, a_service
from tests.servers import Servers, fresh_database

pytestmark = [pytest.mark.chaos, pytest.mark.inference]

# Far longer than this test may take: what happens in it is not the doing of the lease.
LEASE_S = "300"
JOB = {"prompt": "sleep=1.5 steps=30", "audio_duration": 10, "audio_format": "wav"}


@pytest_asyncio.fixture(scope="module")
async def database_url(servers: Servers, template: str) -> AsyncIterator[str]:
    async with fresh_database(servers, template) as url:
        yield url


@pytest_asyncio.fixture(scope="module")
async def service(
    database_url: str, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    async with a_service(
        tmp_path_factory.mktemp("recovery"),
        database_url=database_url,
        redis_url=servers.redis_url,
        ACESTEP_ENGINE=STUB,
        ACESTEP_LEASE_SECONDS=LEASE_S,
    ) as service:
        await service.start("api")
        yield service


async def holder(database_url: str) -> int:
    """The process of the worker whose task runs."""
    connection = await asyncpg.connect(database_url)
    pid = await connection.fetchval(
        "SELECT w.pid FROM workers w JOIN tasks t ON t.worker_id = w.id WHERE t.status = 'running'"
    )
    await connection.close()
    return int(pid)


async def history(database_url: str, task_id: str) -> list[tuple[str, int | None, str | None]]:
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(
        "SELECT event, e.attempt, data->>'reason' FROM task_events e JOIN tasks t ON t.seq = e.task_seq "
        "WHERE t.id = $1 AND event <> 'stage'",
        task_id,
    )
    await connection.close()
    return [tuple(row) for row in rows]


def of_an_attempt_lost(reason: str) -> list[tuple[str, int | None, str | None]]:
    return [
        ("queued", 0, None),
        ("claimed", 1, None),
        ("requeued", 1, reason),
        ("heartbeat_lost", 1, reason),
        ("claimed", 2, None),
        ("succeeded", 2, None),
    ]


async def test_another_worker_takes_the_task_of_one_that_was_killed(
    service: Service, database_url: str
) -> None:
    await asyncio.gather(service.start("first"), service.start("second"))
    task_id = await service.submit(**JOB)
    await service.running(task_id)
    pid = await holder(database_url)
    dead = next(name for name in ("first", "second") if service.processes[name].pid == pid)
    await service.stop(dead, signal.SIGKILL)
    assert (await service.finished(task_id)).status == 1
    assert sorted(await history(database_url, task_id)) == sorted(of_an_attempt_lost("worker_died"))
    left = list((service.folder / "tmp" / "attempts").iterdir())
    assert len(left) == 1, "what the dead worker left was removed"
    (alive,) = {"first", "second"} - {dead}
    await service.stop(alive)


async def test_another_slot_takes_the_task_of_a_child_that_was_killed(
    service: Service, database_url: str
) -> None:
    await service.start("worker", ACESTEP_QUEUE_WORKERS="2")
    task_id = await service.submit(prompt="sleep=1.5 crash once", audio_duration=10, audio_format="wav")
    assert (await service.finished(task_id)).status == 1
    assert sorted(await history(database_url, task_id)) == sorted(of_an_attempt_lost("child_died"))
