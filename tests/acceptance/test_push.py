"""One task through the real processes, and all who are told of it: stream, webhook, metrics, log, trace."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from app.client import AsyncClient
from tests.collector import Collector, a_collector
from tests.processes import STUB, Service, a_service
from tests.receiver import Receiver, a_receiver
from tests.streaming import following
from tests.webhooks import eventually, is_genuine

pytestmark = pytest.mark.inference

KEY = "the-operators-key"
HEADERS = {"authorization": KEY}


@dataclass
class World:
    service: Service
    receiver: Receiver
    collector: Collector


@pytest_asyncio.fixture
async def world(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(a_receiver())
        collector = stack.enter_context(a_collector())
        service = await stack.enter_async_context(
            a_service(
                tmp_path,
                database_url=database_url,
                redis_url=redis_url,
                ACESTEP_ENGINE=STUB,
                ACESTEP_API_KEY=KEY,
                ACESTEP_LOG_FORMAT="json",
                ACESTEP_WEBHOOK_ALLOW_HTTP="true",
                ACESTEP_WEBHOOK_ALLOW_NETWORKS="127.0.0.1",
                ACESTEP_METRICS_ALLOW_NETWORKS="127.0.0.0/8",
                OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            )
        )
        await service.start("api")
        await service.start("worker")
        yield World(service, receiver, collector)


async def test_a_task_is_told_to_everyone(world: World) -> None:
    service, receiver = world.service, world.receiver
    async with httpx.AsyncClient(base_url=service.url, headers=HEADERS, trust_env=False) as http:
        wanted = {"url": receiver.url(), "events": ["task.started", "task.succeeded"]}
        made = await http.post("/v1/teams/me/webhooks", json=wanted)
        secret = made.json()["data"]["secret"]
    async with AsyncClient(service.url, api_key=KEY) as client:
        task_id = await client.submit(
            prompt="steps=8 sleep=2", audio_duration=10, batch_size=1, webhook_url=receiver.url("/ok?of=task")
        )
        async with following(f"{service.url}/v1/tasks/{task_id}/stream", HEADERS) as (_, events):
            told = [event async for event in events]
        record = await client.record(task_id)
    states = [event.state for event in told if event.kind == "state"]
    assert states in (["queued", "running", "succeeded"], ["running", "succeeded"])
    shares = [event.data["progress"] for event in told if event.data]
    assert shares == sorted(shares)
    assert any(event.kind == "progress" and event.data and event.data["steps"] == 8 for event in told)

    await eventually(lambda: len(receiver.heard) == 3)
    types = sorted((heard.target, heard.event["type"]) for heard in receiver.heard)
    assert types == [
        ("/ok", "task.started"),
        ("/ok", "task.succeeded"),
        ("/ok?of=task", "task.succeeded"),
    ]
    assert all(is_genuine(heard, secret) for heard in receiver.heard if heard.target == "/ok")

    numbers = await metrics(service)
    assert numbers["acestep_tasks_ended_total", "succeeded", "default"] == 1
    assert numbers["acestep_recent_stage_seconds", "0.5", "diffusing"] > 0
    assert sum(value for name, value in numbers.items() if name[0] == "acestep_worker_slots") == 1

    await stop_while_somebody_follows(service)
    lines = worker_lines(service)
    of_job = [line for line in lines if line["event"] in ("task claimed", "task finished")]
    assert len(of_job) == 2
    for line in of_job:
        assert (line["task_id"], line["attempt"], line["team"]) == (task_id, 1, record["team_id"])
        assert line["request_id"] == record["request_id"]
        assert line["worker"] == record["attempts"][0]["worker_id"]
    assert await service.stop("worker") == 0
    spans = {(span.service, span.name): span.trace_id for span in world.collector.spans}
    assert {("acestep-api", "submit"), ("acestep-worker", "task"), ("acestep-worker", "diffusing")} <= set(
        spans
    )
    assert len(set(spans.values())) == 1


async def metrics(service: Service) -> dict[tuple[str, ...], float]:
    """Read without a key, from an allowed address."""
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"{service.url}/metrics")).text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def stop_while_somebody_follows(service: Service) -> None:
    """An open stream ends at once; it does not hold the process until the end of its grace."""
    async with following(f"{service.url}/v1/tasks/stream", HEADERS) as (_, events):
        await anext(events)
        begun = time.monotonic()
        await service.stop("api")
        assert time.monotonic() - begun < 5
        assert [event async for event in events] == []


def worker_lines(service: Service) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.log("worker").splitlines()]
