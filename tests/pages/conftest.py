"""One Chromium and one service for all tests of the pages."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser import Watch, a_browser, a_page, chromium
from tests.conftest import Servers, fresh_database
from tests.processes import STUB, Service, a_service

expect.set_options(timeout=40_000)
KEY = "key-of-the-operator"
Open = Callable[..., AbstractAsyncContextManager[tuple[Page, Watch]]]


@pytest_asyncio.fixture(scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    program = chromium()
    if program is None:
        pytest.skip("no Chromium found (Debian: apt-get install chromium)")
    async with a_browser(program, tmp_path_factory.mktemp("cache")) as browser:
        yield browser


@pytest_asyncio.fixture(scope="session")
async def service(
    browser: Browser, open_folder: Path, servers: Servers, template: str
) -> AsyncIterator[Service]:
    """The API behind a key, without a worker; the browser comes first."""
    async with (
        fresh_database(servers, template) as database_url,
        a_service(
            open_folder / "pages",
            database_url=database_url,
            redis_url=servers.redis(),
            ACESTEP_API_KEY=KEY,
            ACESTEP_ENGINE=STUB,
            ACESTEP_WEBHOOK_ALLOW_HTTP="true",
            ACESTEP_WEBHOOK_ALLOW_NETWORKS="127.0.0.0/8",
        ) as service,
    ):
        await service.start("api")
        yield service


@pytest_asyncio.fixture(scope="session")
async def worker(service: Service) -> Service:
    """The same service with a worker of controllable timing."""
    await service.start("worker")
    return service


@pytest.fixture
def opened(browser: Browser, service: Service) -> Open:
    """Open a page of the service in a context of its own; it must be quiet to the end."""

    def open_(**options: Any) -> AbstractAsyncContextManager[tuple[Page, Watch]]:
        return a_page(browser, service.url, **options)

    return open_


@pytest_asyncio.fixture(scope="session")
async def bare(browser: Browser, service: Service) -> AsyncIterator[Page]:
    """An empty page of the service's origin, in which modules without state are called."""
    async with a_page(browser, service.url) as (page, watch):
        watch.expected.add(404)  # an address without a page has no icon
        watch.also.add("no text for gone")
        await page.goto("/health")
        yield page
