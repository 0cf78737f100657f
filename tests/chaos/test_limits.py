"""A child that does not come back: killed after its time, or after the grace of a cancel."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio

from app.db.engine import Database
from app.db.tasks import Actor
from app.domain.task import TaskId
from tests.processes import STUB, Service, a_service

pytestmark = [pytest.mark.chaos, pytest.mark.inference]


@pytest_asyncio.fixture
async def service(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Service]:
    async with a_service(
        tmp_path,
        database_url=database_url,
        redis_url=redis_url,
        ACESTEP_ENGINE=STUB,
        ACESTEP_LEASE_SECONDS="2",
        ACESTEP_TASK_TIMEOUT="5",
        ACESTEP_CANCEL_GRACE="0.5",
    ) as service:
        await service.start("api")
        await service.start("worker")
        yield service


async def test_a_task_past_its_time_fails_with_timeout_and_the_next_one_works(service: Service) -> None:
    task_id = await service.submit(prompt="hang", audio_duration=10)
    result = await service.finished(task_id, limit_s=20)
    assert result.error == "the task took longer than 5 seconds"
    assert (
        await service.finished(await service.submit(prompt="steps=2", audio_duration=10, audio_format="wav"))
    ).status == 1


async def test_a_task_with_fewer_clips_than_wanted_has_failed(service: Service) -> None:
    result = await service.finished(await service.submit(prompt="short", audio_duration=10, batch_size=3))
    assert (result.status, result.error) == (2, "the engine delivered 2 of 3 clips")
    assert not list((service.folder / "data" / "objects").rglob("*.mp3"))


async def test_a_child_that_ignores_a_cancel_is_killed(service: Service, db: Database) -> None:
    task_id = await service.submit(prompt="hang steps=2", audio_duration=10)
    await service.running(task_id)
    async with db.autocommit() as work:
        team = await work.keys.default_team()
        assert await work.tasks.request_cancel(team, TaskId(UUID(task_id)), actor=Actor(kind="client"))
    result = await service.finished(task_id, limit_s=10)
    assert result.error == "cancelled"
    assert (
        await service.finished(await service.submit(prompt="steps=2", audio_duration=10, audio_format="wav"))
    ).status == 1
