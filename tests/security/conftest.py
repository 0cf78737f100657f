"""The running application with two teams, as in the tests of the API, and one without a queue limit."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio

from app.main import build
from app.settings import load
from tests.builders import MODEL
from tests.integration.api.conftest import PEPPER, World, running, world

__all__ = ["world"]


@pytest_asyncio.fixture
async def patient(
    world: World, database_url: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of team a, to an application without a limit of its queue."""
    settings = load(data_dir=tmp_path, config_path=MODEL, queue_maxsize=0)
    app = await build(settings, database_url=database_url, redis_url=redis_url, pepper=PEPPER.encode())
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    client = httpx.AsyncClient(transport=transport, base_url="http://test", headers=world.a.headers)
    async with running(app), client:
        yield client
