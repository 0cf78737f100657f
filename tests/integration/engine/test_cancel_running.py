"""A running task stops soon after somebody asked, and its worker goes on with the next one."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio

from tests.processes import STUB, Service, a_service

LONG = {"prompt": "sleep=60 steps=120", "audio_duration": 10, "batch_size": 1}


@pytest_asyncio.fixture
async def service(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Service]:
    """API and worker whose heartbeat alone would be noticed only after ten seconds."""
    environment = {"ACESTEP_ENGINE": STUB, "ACESTEP_LEASE_SECONDS": "60", "ACESTEP_CANCEL_GRACE": "3"}
    async with a_service(tmp_path, database_url=database_url, redis_url=redis_url, **environment) as service:
        await service.start("api")
        await service.start("worker")
        yield service


async def cancel(service: Service, task_id: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
        return await client.post(f"/v1/tasks/{task_id}/cancel")


async def record(service: Service, task_id: str) -> dict[str, object]:
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
        data: dict[str, object] = (await client.get(f"/v1/tasks/{task_id}")).json()["data"]
    return data


async def test_a_running_task_stops_within_two_seconds_and_the_next_one_runs(service: Service) -> None:
    task_id = await service.submit(**LONG)
    waiting = await service.submit(**LONG)
    after = await service.submit(prompt="steps=2", audio_duration=10, batch_size=1)
    await service.running(task_id)
    assert (await cancel(service, waiting)).json()["data"]["state"] == "cancelled"
    begun = time.monotonic()
    answer = await cancel(service, task_id)
    assert answer.json()["data"] == {"id": task_id, "state": "running", "cancel_requested": True}
    ended = await service.finished(task_id, limit_s=10)
    assert time.monotonic() - begun < 3.0
    assert (ended.status, ended.error) == (2, "cancelled")
    assert (await cancel(service, task_id)).status_code == 200
    assert (await service.finished(after)).status == 1
    refused = await cancel(service, after)
    assert (refused.status_code, refused.json()["error"]) == (409, "the task has already succeeded")
    told = await record(service, task_id)
    assert isinstance(told["events"], list)
    kinds = [event["type"] for event in told["events"] if event["type"] != "stage"]
    assert kinds == ["queued", "claimed", "cancel_requested", "cancelled"]
    assert (await service.stats())["jobs"]["cancelled"] == 2


async def test_a_child_that_does_not_listen_is_killed(service: Service) -> None:
    task_id = await service.submit(prompt="hang steps=2", audio_duration=10, batch_size=1)
    await service.running(task_id)
    await asyncio.sleep(0.3)
    begun = time.monotonic()
    await cancel(service, task_id)
    ended = await service.finished(task_id, limit_s=15)
    assert ended.error == "cancelled"
    assert 2.5 < time.monotonic() - begun < 8.0, "the grace of three seconds, and little more"
    after = await service.submit(prompt="steps=2", audio_duration=10, batch_size=1)
    assert (await service.finished(after)).status == 1


async def test_the_record_of_a_running_task_tells_its_step(service: Service) -> None:
    task_id = await service.submit(**LONG)
    await service.running(task_id)

    async def has_step() -> bool:
        progress = (await record(service, task_id))["progress"]
        return isinstance(progress, dict) and progress["step"] and progress["steps"] == 120

    await service.until(has_step, what="a step in the record", limit_s=10)
    await cancel(service, task_id)
    await service.finished(task_id, limit_s=10)
