"""Postgres fails: rows 15 to 18 and 37 of the fault matrix (docs/faults.md)."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.chaos.fleet import ALL_FAULTS, Fleet
from tests.chaos.proxy import NONE, Fault
from tests.servers import execute

pytestmark = [pytest.mark.chaos, pytest.mark.inference]

JOB = {"prompt": "steps=2 clip=0.1", "audio_duration": 10, "batch_size": 1, "audio_format": "wav"}


@asynccontextmanager
async def a_client(fleet: Fleet) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=fleet.host.url, trust_env=False, timeout=60) as client:
        yield client


async def submit(client: httpx.AsyncClient, key: str) -> httpx.Response:
    return await client.post("/release_task", json=JOB, headers={"Idempotency-Key": key})


async def until_accepted(client: httpx.AsyncClient, key: str) -> tuple[str, list[httpx.Response]]:
    """Send until the answer is 200; returns the id, and the answers before."""
    others: list[httpx.Response] = []
    async with asyncio.timeout(60):
        while (answer := await submit(client, key)).status_code != 200:
            others.append(answer)
            await asyncio.sleep(0.2)
    return answer.json()["data"]["task_id"], others


async def attempts_of(fleet: Fleet, task_id: str) -> int:
    connection = await asyncpg.connect(fleet.stack.database_url)
    attempt = await connection.fetchval("SELECT attempt FROM tasks WHERE id = $1", task_id)
    await connection.close()
    return int(attempt)


def assert_come_again(answers: list[httpx.Response]) -> None:
    """Every answer but 200 is a 503 that says when to come again."""
    assert {answer.status_code for answer in answers} <= {503}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)


async def test_a_restart_costs_a_503_at_most_and_the_running_job_goes_on(fleet: Fleet) -> None:
    running = await fleet.host.submit(**{**JOB, "prompt": "sleep=5 steps=20 clip=0.1"})
    await fleet.host.running(running)
    fleet.signal_server("postgres", signal.SIGQUIT)
    async with a_client(fleet) as client:
        during, others = await until_accepted(client, f"restart-{uuid4()}")
    assert_come_again(others)
    assert (await fleet.host.finished(running)).status == 1
    assert await attempts_of(fleet, running) == 1, "the job was kept, not run again"
    assert (await fleet.host.finished(during)).status == 1


async def test_connections_that_are_ended_in_the_middle_are_made_again(fleet: Fleet) -> None:
    async with a_client(fleet) as client:
        sending = [asyncio.create_task(until_accepted(client, f"cut-{uuid4()}")) for _ in range(10)]
        for _ in range(3):
            await execute(
                fleet.stack.database_url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
            )
            await asyncio.sleep(0.05)
        sent = await asyncio.gather(*sending)
    assert len({task_id for task_id, _ in sent}) == 10
    for task_id, others in sent:
        assert_come_again(others)
        assert (await fleet.host.finished(task_id)).status == 1


@contextmanager
def stopped_postgres(fleet: Fleet) -> Iterator[None]:
    """Stop the server and all its backends."""
    postmaster = fleet.stack.supervisor.pid("postgres")
    assert postmaster is not None
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    pids = [postmaster, *map(int, children)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


@pytest.mark.skipif(not ALL_FAULTS, reason="waits for the time limit of a statement; run with FAULTS=all")
async def test_a_database_that_hangs_is_a_503_and_recovers_alone(fleet: Fleet) -> None:
    key = f"hang-{uuid4()}"
    async with a_client(fleet) as client:
        with stopped_postgres(fleet):
            answer = await submit(client, key)
        assert_come_again([answer])
        task_id, others = await until_accepted(client, key)
    assert_come_again(others)
    assert (await fleet.host.finished(task_id)).status == 1


async def test_a_way_that_swallows_everything_is_a_503_too(fleet: Fleet) -> None:
    key = f"swallowed-{uuid4()}"
    async with a_client(fleet) as client:
        fleet.database.fault = Fault(reset=True)
        assert_come_again([await submit(client, key)])
        fleet.database.fault = NONE
        task_id, _ = await until_accepted(client, key)
    assert (await fleet.host.finished(task_id)).status == 1


async def test_a_locked_table_is_a_503_and_many_waiters_leave_room_afterwards(fleet: Fleet) -> None:
    connection = await asyncpg.connect(fleet.stack.database_url)
    keys = [f"locked-{number}-{uuid4()}" for number in range(20)]
    async with a_client(fleet) as client:
        async with connection.transaction():
            await connection.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
            answers = await asyncio.gather(*(submit(client, key) for key in keys))
        await connection.close()
        assert_come_again(answers)
        task_id, _ = await until_accepted(client, keys[0])
    assert (await fleet.host.finished(task_id)).status == 1
