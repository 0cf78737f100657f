"""Exactly-once accounting: what is kept of usage is what the rows say, after kills, cancels and deletions.

`CRASH_TASKS=2000` is the long version; a failure names the seed of its acts.
"""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from app.db.engine import Database
from app.domain.authority import Authority
from app.services.keys import Keys
from app.services.teams import Teams
from app.services.usage import Usage
from tests.chaos.fleet import child_of
from tests.processes import STUB, Service, a_service

pytestmark = [pytest.mark.chaos, pytest.mark.inference]

TASKS = int(os.environ.get("CRASH_TASKS", "24"))
KILLS = max(2, TASKS // 20)
OPERATOR = Authority.operator("cli:test")
PROMPTS = ("sleep=0.2", "sleep=0.5 steps=10", "fail", "oom", "once crash", "once device", "")
ENDED = ("succeeded", "failed", "cancelled")
OF_TEAMS = """
SELECT g.name, t.status, count(*) AS tasks FROM tasks t JOIN teams g ON g.id = t.team_id GROUP BY 1, 2
"""


@pytest.fixture
async def service(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """An API process and two workers with the engine of controllable timing, on short leases."""
    async with a_service(
        tmp_path,
        database_url=database_url,
        redis_url=redis_url,
        ACESTEP_ENGINE=STUB,
        ACESTEP_LEASE_SECONDS="2",
        ACESTEP_QUEUE_MAXSIZE="0",
    ) as service:
        await asyncio.gather(*(service.start(name) for name in ("api", "worker-0", "worker-1")))
        yield service


class Hosts:
    """Two teams that submit, cancel and delete, over HTTP."""

    def __init__(self, client: httpx.AsyncClient, keys: dict[str, str], draw: random.Random) -> None:
        self._client, self._keys, self._draw = client, keys, draw
        self.tasks: dict[str, str] = {}

    async def ask(self, verb: str, path: str, team: str, **request: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self._keys[team]}"}
        return await self._client.request(verb, path, headers=headers, **request)

    async def submit(self, number: int) -> None:
        """A task of either team, that works, fails, or takes its process with it."""
        team = self._draw.choice(list(self._keys))
        body = {
            "prompt": PROMPTS[number % len(PROMPTS)],
            "audio_duration": 10,
            "batch_size": self._draw.choice((1, 2)),
            "audio_format": "wav",
        }
        answer = await self.ask("POST", "/release_task", team, json=body)
        assert answer.status_code == 200, answer.text
        self.tasks[answer.json()["data"]["task_id"]] = team

    async def meddle(self) -> None:
        """Cancel one task and delete another, whatever has become of them."""
        for verb, path in (("POST", "/v1/tasks/{}/cancel"), ("DELETE", "/v1/tasks/{}")):
            id_ = self._draw.choice(list(self.tasks))
            answer = await self.ask(verb, path.format(id_), self.tasks[id_])
            assert answer.status_code in (200, 404, 409), answer.text


async def two_teams(db: Database) -> dict[str, str]:
    """Make teams; returns a key of each, by its name."""
    keys = {}
    for name in ("light", "heavy"):
        await Teams(db).create(OPERATOR, {"name": name})
        scopes = ["tasks:read", "tasks:write", "tasks:cancel", "tasks:delete", "stats:read", "usage:read"]
        made = await Keys(db, pepper=b"pepper-of-the-tests").create(OPERATOR, name, name="x", scopes=scopes)
        keys[name] = made.text
    return keys


async def kill_in_the_middle(service: Service, connection: asyncpg.Connection, number: int) -> None:
    """SIGKILL for a worker that has a task, and on every other turn for its child only."""
    name = f"worker-{number % 2}"
    pid = service.processes[name].pid

    async def is_at_work() -> bool:
        found: bool = await connection.fetchval(
            "SELECT EXISTS (SELECT FROM tasks t JOIN workers w ON w.id = t.worker_id WHERE w.pid = $1) "
            "OR NOT EXISTS (SELECT FROM tasks WHERE status = 'queued')",
            pid,
        )
        return found

    await service.until(is_at_work, what="a worker to have a task")
    if number % 4 > 1 and (child := child_of(pid)):
        os.kill(child, signal.SIGKILL)
    else:
        await service.stop(name, signal.SIGKILL)
        await service.start(name)


async def test_usage_and_counters_equal_a_recount_after_crashes(
    service: Service, db: Database, database_url: str
) -> None:
    seed = random.randrange(10**6)
    keys = await two_teams(db)
    connection = await asyncpg.connect(database_url)
    async with httpx.AsyncClient(base_url=service.url, trust_env=False, timeout=30) as client:
        hosts = Hosts(client, keys, random.Random(seed))
        for number in range(TASKS):
            await hosts.submit(number)
        for number in range(KILLS):
            await hosts.meddle()
            await kill_in_the_middle(service, connection, number)

        async def all_ended() -> bool:
            left: int = await connection.fetchval("SELECT count(*) FROM tasks WHERE finished_at IS NULL")
            return not left

        await service.until(all_ended, what=f"all tasks to end, seed {seed}", limit_s=120 + TASKS)
        assert await Usage(db).drift() == [], f"seed {seed}"
        counted: dict[str, Counter[str]] = {team: Counter() for team in keys}
        for row in await connection.fetch(OF_TEAMS):
            counted[row["name"]][row["status"]] = row["tasks"]
        for team, states in counted.items():
            await service.until(partial(tells, hosts, team, states), what=f"right statistics, seed {seed}")
            (used,) = (await hosts.ask("GET", "/v1/usage?group_by=model", team)).json()["data"]["items"]
            assert {state: used[state] for state in ENDED} == {state: states[state] for state in ENDED}
    assert sum(states.total() for states in counted.values()) == TASKS
    lost = await connection.fetchval("SELECT count(*) FROM task_events WHERE event = 'heartbeat_lost'")
    await connection.close()
    assert lost, "nobody was hit in the middle of a task"


async def tells(hosts: Hosts, team: str, states: Counter[str]) -> bool:
    """Whether `/v1/stats`, which is read once a second, tells this; `failed` includes the cancelled."""
    jobs = (await hosts.ask("GET", "/v1/stats", team)).json()["data"]["jobs"]
    failed = states["failed"] + states["cancelled"]
    expected = {"succeeded": states["succeeded"], "failed": failed, "cancelled": states["cancelled"]}
    return {**jobs, **expected, "total": states.total(), "queued": 0, "running": 0} == jobs
