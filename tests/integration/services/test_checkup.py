"""Doctor: each reason for which a task does not run is named, with a remedy."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from app.db.engine import Database
from app.domain.findings import Finding, Health
from app.domain.task import TeamId
from app.queue.ping import ping
from app.services.checkup import Checkup
from app.storage.folder import FolderStore
from tests.builders import MODEL, a_running_task, a_task, a_worker_elsewhere


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "objects"


async def examine(
    db: Database, store: Path, redis: Callable[[], Awaitable[None]]
) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in await Checkup(
        db, open_store=lambda: FolderStore(store), ping_redis=redis, lease_s=30
    ).run():
        assert bool(finding.remedy) == (finding.health is not Health.OK)
        found.setdefault(finding.check, []).append(finding)
    return found


@pytest.fixture
def answering(redis_url: str) -> Callable[[], Awaitable[None]]:
    return lambda: ping(redis_url)


async def set_(database_url: str, statement: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(statement)
    await connection.close()


async def test_a_sound_installation_has_only_good_lines(
    db: Database, team: TeamId, store: Path, answering: Callable[[], Awaitable[None]]
) -> None:
    await a_worker_elsewhere(db, MODEL)
    await a_task(db, team)
    found = await examine(db, store, answering)
    assert {finding.health for findings in found.values() for finding in findings} == {Health.OK}
    assert list(found) == ["postgres", "redis", "store", "workers", "queue", "counters"]
    assert MODEL in found["workers"][0].text


async def test_no_worker(
    db: Database, team: TeamId, store: Path, answering: Callable[[], Awaitable[None]]
) -> None:
    await a_task(db, team)
    found = await examine(db, store, answering)
    assert found["workers"][0].health is Health.FAIL
    assert "acestep-service worker" in found["workers"][0].remedy


async def test_a_model_that_nobody_offers(
    db: Database, team: TeamId, store: Path, answering: Callable[[], Awaitable[None]]
) -> None:
    await a_worker_elsewhere(db, "acestep-v15-base")
    await a_task(db, team)
    (finding,) = (await examine(db, store, answering))["queue"]
    assert (finding.health, MODEL in finding.text) == (Health.FAIL, True)


async def test_a_language_model_that_nobody_offers(
    db: Database, team: TeamId, store: Path, answering: Callable[[], Awaitable[None]]
) -> None:
    await a_worker_elsewhere(db, MODEL)
    await a_worker_elsewhere(db, "acestep-v15-base", language_model="some-lm")
    for needs_lm in (True, True, False):
        await a_task(db, team, needs_lm=needs_lm)
    (finding,) = (await examine(db, store, answering))["queue"]
    told = f"2 tasks of {MODEL} need a language model and no worker offers one"
    assert (finding.health, finding.text) == (Health.FAIL, told)
    await a_worker_elsewhere(db, MODEL, language_model="some-lm")
    (finding,) = (await examine(db, store, answering))["queue"]
    assert finding.health is Health.OK


async def test_a_paused_queue(
    db: Database,
    team: TeamId,
    store: Path,
    database_url: str,
    answering: Callable[[], Awaitable[None]],
) -> None:
    await a_worker_elsewhere(db, MODEL)
    await a_task(db, team)
    await set_(database_url, "INSERT INTO settings (key, value) VALUES ('queue_paused', 'true')")
    (finding,) = (await examine(db, store, answering))["queue"]
    assert (finding.health, finding.text) == (Health.WARN, "paused; 1 tasks wait")


async def test_a_team_at_its_limit_and_a_disabled_one(
    db: Database,
    team: TeamId,
    store: Path,
    database_url: str,
    answering: Callable[[], Awaitable[None]],
) -> None:
    await a_worker_elsewhere(db, MODEL)
    await set_(database_url, "UPDATE teams SET max_running = 1")
    await a_running_task(db, team)
    await a_task(db, team)
    (finding,) = (await examine(db, store, answering))["queue"]
    assert finding.text == "team default runs 1 tasks, as many as it may"
    await set_(database_url, "UPDATE teams SET disabled_at = now()")
    (finding,) = (await examine(db, store, answering))["queue"]
    assert finding.text == "team default is disabled"


async def test_long_waiting_means_busy_workers(
    db: Database,
    team: TeamId,
    store: Path,
    database_url: str,
    answering: Callable[[], Awaitable[None]],
) -> None:
    await a_worker_elsewhere(db, MODEL)
    await a_task(db, team)
    await set_(database_url, "UPDATE tasks SET created_at = now() - interval '10 minutes'")
    (finding,) = (await examine(db, store, answering))["queue"]
    assert (finding.health, "busy" in finding.text) == (Health.WARN, True)


async def test_a_store_that_cannot_be_written_to_and_a_redis_that_is_away(
    db: Database, tmp_path: Path
) -> None:
    (tmp_path / "objects").write_text("a file where the folder should be")

    async def away() -> None:
        raise RedisConnectionError

    found = await examine(db, tmp_path / "objects", away)
    assert found["store"][0].health is Health.FAIL
    assert (found["redis"][0].health, "ConnectionError" in found["redis"][0].text) == (Health.WARN, True)


async def test_counters_that_drifted(
    db: Database,
    team: TeamId,
    store: Path,
    database_url: str,
    answering: Callable[[], Awaitable[None]],
) -> None:
    await set_(database_url, "UPDATE team_state SET succeeded = 7")
    (finding,) = (await examine(db, store, answering))["counters"]
    assert (finding.health, finding.text) == (
        Health.FAIL,
        "1 differ from the rows: team 1 succeeded by -7",
    )


async def test_a_database_that_is_away_spoils_no_other_check(
    store: Path, answering: Callable[[], Awaitable[None]]
) -> None:
    db = Database("postgresql://nobody@127.0.0.1:1/none", pool_size=1)
    found = await examine(db, store, answering)
    assert [found[name][0].health for name in ("postgres", "redis", "store")] == [
        Health.FAIL,
        Health.OK,
        Health.OK,
    ]
    await db.close()
