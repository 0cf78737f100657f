"""`/metrics`: who may read it, that a Prometheus parser understands it, and what it counts."""

import os
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.api.config import HttpConfig
from app.api.routes import create_app
from app.domain.errors import DatabaseUnavailableError
from app.domain.keys import make_key
from tests.unit.api.fakes import PEPPER, TEAM, Client, Connect, FakeServices

BOSS = {"authorization": "boss"}


async def samples(client: Client) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    response = await client.get("/metrics", headers=BOSS)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples  # labels come in the order of their names
    }


async def test_the_numbers_of_the_service(connect: Connect) -> None:
    async with connect(bootstrap_key="boss") as client:
        seen = await samples(client)
    team = 'team "a"'
    expected = {
        ("acestep_database_up",): 1,
        ("acestep_queue_tasks", team): 5,
        ("acestep_queue_oldest_seconds", team): 7.5,
        ("acestep_tasks_running", team): 1,
        ("acestep_tasks_ended_total", "succeeded", team): 90,
        ("acestep_tasks_ended_total", "failed", team): 3,
        ("acestep_tasks_ended_total", "cancelled", team): 1,
        ("acestep_queue_wait_seconds_bucket", "0.1", team): 80,
        ("acestep_queue_wait_seconds_bucket", "10.0", team): 94,
        ("acestep_queue_wait_seconds_bucket", "3600.0", team): 94,
        ("acestep_queue_wait_seconds_bucket", "+Inf", team): 96,
        ("acestep_queue_wait_seconds_count", team): 96,
        ("acestep_queue_wait_seconds_sum", team): 7300.5,
        ("acestep_recent_stage_seconds", "0.5", "diffusing"): 1.5,
        ("acestep_recent_stage_seconds", "0.95", "diffusing"): 3,
        ("acestep_leases_lost_total",): 6,
        ("acestep_worker_slots", "ready", "00000000-0000-0000-0000-000000000001"): 2,
        ("acestep_worker_doorbell_failures_total", "00000000-0000-0000-0000-000000000001"): 4,
        ("acestep_webhooks_waiting",): 8,
        ("acestep_webhooks_oldest_seconds",): 9.5,
        ("acestep_doorbell_failures_total",): 0,
    }
    assert {name: seen[name] for name in expected} == expected


async def test_answers_are_counted_by_route_and_status(connect: Connect) -> None:
    async with connect(bootstrap_key="boss") as client:
        for path in ("/health", "/api/health", "/v1/tasks/1", "/v1/tasks/2", "/nowhere", "/elsewhere"):
            await client.get(path)
        await client.request("BREW", "/health")
        seen = await samples(client)
    counted = {name[1:]: value for name, value in seen.items() if name[0] == "acestep_http_requests_total"}
    assert counted == {
        ("GET", "/health", "200"): 2,
        ("GET", "/v1/tasks/{task_id}", "401"): 2,
        ("GET", "(unknown)", "404"): 2,
        ("other", "(unknown)", "405"): 1,
    }
    assert seen[("acestep_http_request_seconds_count", "GET", "/health")] == 2
    assert 0 < seen[("acestep_http_request_seconds_sum", "GET", "/health")] < 5


async def test_without_the_database_what_is_left_is_told(connect: Connect, fakes: FakeServices) -> None:
    async with connect(bootstrap_key="boss") as client:
        await client.get("/docs")
        fakes.failures.append(DatabaseUnavailableError())
        seen = await samples(client)
    assert seen[("acestep_database_up",)] == 0
    assert ("acestep_leases_lost_total",) not in seen
    assert seen[("acestep_http_requests_total", "GET", "/docs", "200")] == 1


@pytest.mark.parametrize(
    ("config", "scopes", "status"),
    [
        ({}, None, 403),
        ({"bootstrap_key": "boss"}, None, 401),
        ({}, {"stats:read", "team:manage"}, 403),
        ({}, {"admin"}, 200),
        ({"bootstrap_key": "boss", "metrics_networks": (ip_network("127.0.0.0/8"),)}, None, 200),
        ({"bootstrap_key": "boss", "metrics_networks": (ip_network("10.0.0.0/8"),)}, None, 401),
    ],
)
async def test_it_is_for_admins_and_allowed_addresses(
    fakes: FakeServices, config: dict[str, Any], scopes: set[str] | None, status: int
) -> None:
    headers = {}
    if scopes is not None:
        key = make_key()
        fakes.add_key(key, scopes=frozenset(scopes))
        headers = {"authorization": key}
    app = create_app(fakes.services(), HttpConfig(default_team_id=TEAM, key_pepper=PEPPER, **config))
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1234))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/metrics", headers=headers)).status_code == status


def test_processes_on_one_port_count_together(tmp_path: Path) -> None:
    count = (
        "from pathlib import Path; from app.api.counted import Counted; import os;"
        "counted = Counted(shared_dir=Path(os.environ['PROMETHEUS_MULTIPROC_DIR']));"
        "counted.answered('GET', '/health', 200, 0.1); print(counted.text().decode())"
    )
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    texts = [
        subprocess.run(
            [sys.executable, "-c", count], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    sample = 'acestep_http_requests_total{method="GET",route="/health",status="200"}'
    assert f"{sample} 1.0" in texts[0]
    assert f"{sample} 2.0" in texts[1]
