"""One task computes while those before it are written and uploaded; the next one waits behind it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from app.db.engine import Database
from app.domain.task import TeamId
from tests.worker import Worker, a_worker

pytestmark = pytest.mark.inference


@pytest_asyncio.fixture
async def worker(db: Database, team: TeamId, tmp_path: Path, database_url: str) -> AsyncIterator[Worker]:
    async with a_worker(db, team, tmp_path, url=database_url) as worker:
        yield worker


async def test_a_task_succeeds(worker: Worker) -> None:
    row = await worker.ended(await worker.submit("sleep=0.1"))
    assert (row["status"], row["attempt"]) == ("succeeded", 1)
