"""Many teams with many tasks: every team asks for everything of every other, by every route and every name.

`make test` runs a few teams; `ISOLATION_TEAMS=20 ISOLATION_TASKS=50` is the whole walk, some ten thousand
requests: every pair of teams on every way, each with its share of the owner's tasks, so that all of them are
named on each way; a poll names all of them at once. Nothing foreign may be told, neither by a byte nor by the
time that an answer takes.
"""

import os
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import asyncpg
import httpx
import pytest_asyncio

from app.db.engine import Database
from app.domain.keys import key_digest
from app.main import build
from app.services.keys import Keys
from app.settings import load
from tests.builders import MODEL, a_task
from tests.integration.api.conftest import OPERATOR, PEPPER, Tenant, World, a_tenant, running
from tests.integration.api.test_isolation import Case, ask, cases, invented, owned, routes, shown

TEAMS = int(os.environ.get("ISOLATION_TEAMS", "3"))
TASKS = int(os.environ.get("ISOLATION_TASKS", "4"))
IS_WHOLE = TEAMS * TASKS >= 1000
SAMPLES = 300 if IS_WHOLE else 5
TRIES = 3 if IS_WHOLE else 1
SHARES = 10 if IS_WHOLE else 1
"""Into how many portions the things of a team are dealt out to the other teams."""
# A few samples on a busy machine say little about one route, but something about all of them together.
LEAST, MOST = (0.9, 1.1) if IS_WHOLE else (0.5, 2.0)

_DONE = """
WITH done AS (
    UPDATE tasks t SET status = 'succeeded', finished_at = now(), result = '{"items": []}'
    WHERE status = 'queued' AND seq % 2 = 0 RETURNING seq, id, team_id
)
INSERT INTO objects (task_seq, team_id, role, attempt, item, public_key, storage_key, ext, mime, bytes,
                     sha256, duration_s, sample_rate, seed)
SELECT seq, team_id, 'output', 1, 0, 'audio/' || md5(id::text) || '.wav', 'o/' || id, 'wav', 'audio/wav', 1,
       encode(sha256(id::text::bytea), 'hex'), 1, 48000, 1
FROM done
"""
_ALL = """
SELECT g.name, t.id::text AS task, o.public_key AS audio, o.sha256 AS hash
FROM tasks t JOIN teams g ON g.id = t.team_id LEFT JOIN objects o ON o.task_seq = t.seq
"""


@dataclass(frozen=True)
class Crowd:
    """The running application and all its tenants.

    `things` has, by team and kind, everything that can be named beside what `Tenant` holds.
    """

    world: World
    tenants: list[Tenant]
    things: dict[str, dict[str, set[str]]]

    def of(self, tenant: Tenant, kind: str) -> set[str]:
        return self.things[tenant.name].get(kind, set()) | set(owned(tenant, kind))

    def share(self, tenant: Tenant, kind: str, *, number: int) -> list[str]:
        """One of `SHARES` portions, and never nothing."""
        things = sorted(self.of(tenant, kind))
        return things[number % SHARES :: SHARES] or things[:1]


@pytest_asyncio.fixture
async def crowd(db: Database, database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Crowd]:
    keys = Keys(db, pepper=PEPPER.encode())
    admin = await keys.create(OPERATOR, "default", name="admin", scopes=["admin"])
    tenants = [await a_tenant(db, keys, f"canary{number:02}", tmp_path) for number in range(TEAMS)]
    for tenant in tenants:
        async with db.autocommit() as work:
            caller = await work.keys.caller(key_digest(tenant.key.encode(), PEPPER.encode()))
        assert caller is not None
        for _ in range(TASKS - 2):
            await a_task(db, caller.team_id, prompt=f"words of {tenant.name}", key_id=caller.key_id)
    connection = await asyncpg.connect(database_url)
    await connection.execute(_DONE)
    rows = await connection.fetch(_ALL)
    await connection.close()
    things: dict[str, dict[str, set[str]]] = {tenant.name: {} for tenant in tenants}
    for row in rows:
        for kind in ("task", "audio", "hash"):
            if row[kind] is not None:
                things[row["name"]].setdefault(kind, set()).add(row[kind])
    settings = load(data_dir=tmp_path, config_path=MODEL)
    app = await build(settings, database_url=database_url, redis_url=redis_url, pepper=PEPPER.encode())
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with running(app), httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield Crowd(World(app, client, keys, tenants[0], tenants[1], admin), tenants, things)


def ways(crowd: Crowd) -> Iterator[tuple[str, str, Case]]:
    """Every route, and every way to name something in a request to it."""
    for verb, path in routes(crowd.world.app):
        for case in cases(verb, path):
            yield verb, path, case


async def test_nothing_of_any_other_team_is_told(crowd: Crowd) -> None:
    asked = 0
    for verb, path, case in ways(crowd):
        for number, (asking, owner) in enumerate(permutations(crowd.tenants, 2)):
            unknown_id = invented(case.kind)
            unknown = shown(await ask(crowd.world, asking, verb, path, case, unknown_id), unknown_id)
            for id_ in crowd.share(owner, case.kind, number=number):
                foreign = shown(await ask(crowd.world, asking, verb, path, case, id_), id_)
                assert foreign == unknown, (verb, path, case.kind)
                assert owner.name.encode() not in foreign[2]
                asked += 1
    print(f"{asked} foreign names in {len(list(ways(crowd)))} ways")  # noqa: T201 - shown with -s
    assert asked >= TEAMS * (TEAMS - 1) * TASKS / SHARES * 10


async def test_lists_and_polls_of_all_at_once_tell_nothing_either(crowd: Crowd) -> None:
    everything = [task for tenant in crowd.tenants for task in crowd.of(tenant, "task")][:1000]
    for tenant in crowd.tenants:
        own = crowd.of(tenant, "task")
        answer = await crowd.world.client.post(
            "/query_result", json={"task_id_list": everything}, headers=tenant.headers
        )
        told = {entry["task_id"] for entry in answer.json()["data"] if entry["state"] != "not_found"}
        assert told == own & set(everything)
        answers = [
            answer,
            await crowd.world.client.get("/v1/tasks?limit=200", headers=tenant.headers),
            await crowd.world.client.get("/v1/tasks/export?include=events", headers=tenant.headers),
            await crowd.world.client.get("/v1/tasks/export?format=csv", headers=tenant.headers),
        ]
        for other in crowd.tenants:
            if other is not tenant:
                for each in answers:
                    assert other.name.encode() not in each.content
                    assert other.team_id.encode() not in each.content
        listed = answers[1].json()["data"]["items"]
        assert {item["id"] for item in listed} == own


async def seconds(crowd: Crowd, verb: str, path: str, case: Case, id_: str) -> float:
    started = time.perf_counter()
    await ask(crowd.world, crowd.tenants[0], verb, path, case, id_)
    return time.perf_counter() - started


async def medians(crowd: Crowd, verb: str, path: str, case: Case) -> tuple[float, float]:
    """Seconds of an answer about foreign and about unknown things, asked in turn."""
    foreign = sorted(crowd.of(crowd.tenants[1], case.kind))
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(SAMPLES):
        times[0].append(await seconds(crowd, verb, path, case, foreign[number % len(foreign)]))
        times[1].append(await seconds(crowd, verb, path, case, invented(case.kind)))
    return statistics.median(times[0]), statistics.median(times[1])


async def test_the_time_of_an_answer_does_not_tell_foreign_from_unknown(crowd: Crowd) -> None:
    pairs = {}
    for number, (verb, path, case) in enumerate(ways(crowd)):
        for _ in range(TRIES):
            pair = await medians(crowd, verb, path, case)
            if LEAST <= pair[0] / pair[1] <= MOST:
                break
        pairs[number, verb, path, case.kind] = pair
    ratios = {way: foreign / unknown for way, (foreign, unknown) in pairs.items()}
    for way, ratio in sorted(ratios.items(), key=lambda measured: abs(measured[1] - 1)):
        print(f"{ratio:.3f}", *way)  # noqa: T201
    if IS_WHOLE:
        assert all(LEAST <= ratio <= MOST for ratio in ratios.values())
    together = sum(foreign for foreign, _ in pairs.values()) / sum(unknown for _, unknown in pairs.values())
    assert LEAST <= together <= MOST
