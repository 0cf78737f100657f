"""The bell fails: rows 12 to 14 of the fault matrix (docs/faults.md)."""

import asyncio
import random
from uuid import UUID

import asyncpg
import pytest
from redis.asyncio import Redis

from app.domain.ports import Ping
from app.queue.doorbell import ArqDoorbell
from tests.chaos.acts import flush
from tests.chaos.fleet import Fleet
from tests.chaos.invariants import Witness
from tests.chaos.proxy import Fault

pytestmark = [pytest.mark.chaos, pytest.mark.inference]

JOB = {"prompt": "steps=2 clip=0.1", "audio_duration": 10, "batch_size": 1, "audio_format": "wav"}


async def claims_of(fleet: Fleet, task_id: str) -> int:
    connection = await asyncpg.connect(fleet.stack.database_url)
    count = await connection.fetchval(
        "SELECT count(*) FROM task_events e JOIN tasks t ON t.seq = e.task_seq "
        "WHERE t.id = $1 AND e.event = 'claimed'",
        task_id,
    )
    await connection.close()
    return int(count)


async def test_a_hundred_pings_are_one_claim(fleet: Fleet) -> None:
    task_id = await fleet.host.submit(**JOB)
    doorbell = ArqDoorbell(fleet.stack.redis_url)
    await doorbell.start()
    for attempt in range(100):
        doorbell.ring([Ping(UUID(task_id), attempt)])
        await asyncio.sleep(0.001)
    await doorbell.close()
    assert (await fleet.host.finished(task_id)).status == 1
    assert await claims_of(fleet, task_id) == 1


async def test_a_flush_after_every_submission_delays_and_loses_nothing(fleet: Fleet) -> None:
    ids = []
    for _ in range(5):
        ids.append(await fleet.host.submit(**JOB))
        await flush(fleet, Witness(), random.Random(1))
    assert [(await fleet.host.finished(task_id)).status for task_id in ids] == [1] * 5


@pytest.mark.parametrize("fault", [Fault(silent=True), Fault(reset=True)], ids=["silent", "reset"])
async def test_without_redis_every_request_is_answered_and_work_goes_on(fleet: Fleet, fault: Fault) -> None:
    fleet.redis.fault = fleet.bell.fault = fault
    ids = [await fleet.host.submit(**JOB) for _ in range(5)]
    assert [(await fleet.apis[1].finished(task_id)).status for task_id in ids] == [1] * 5


async def test_a_redis_that_is_full_is_as_good_as_none(fleet: Fleet) -> None:
    redis = Redis.from_url(fleet.stack.redis_url)
    await redis.config_set("maxmemory", "1")
    try:
        ids = [await fleet.host.submit(**JOB) for _ in range(3)]
        assert [(await fleet.host.finished(task_id)).status for task_id in ids] == [1] * 3
    finally:
        await redis.config_set("maxmemory", "64mb")
        await redis.aclose()
