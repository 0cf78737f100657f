from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from litestar.testing import AsyncTestClient

from app.api.config import HttpConfig
from app.api.routes import create_app
from tests.unit.api.fakes import PEPPER, TEAM, Client, Connect, FakeServices


@pytest.fixture
def fakes() -> FakeServices:
    return FakeServices()


@pytest.fixture
def connect(fakes: FakeServices) -> Connect:
    """Open a client of an app with the given configuration; without any it runs in open mode."""

    def run(**config: Any) -> AbstractAsyncContextManager[Client]:
        settings: dict[str, Any] = {
            "default_team_id": TEAM,
            "key_pepper": PEPPER,
            "release": "1.2.3",
        } | config
        return AsyncTestClient(create_app(fakes.services(), HttpConfig(**settings)))

    return run


@pytest.fixture
async def client(connect: Connect) -> AsyncIterator[Client]:
    async with connect() as client:
        yield client
