"""Studio on the tiny models: a service without a key, with a worker that computes for real."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser import Watch, a_page
from tests.conftest import Servers, fresh_database
from tests.processes import Service, a_service

OpenStudio = Callable[..., AbstractAsyncContextManager[tuple[Page, Watch]]]
WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}


@pytest_asyncio.fixture(scope="session")
async def tiny(
    browser: Browser, open_folder: Path, servers: Servers, template: str
) -> AsyncIterator[Service]:
    async with (
        fresh_database(servers, template) as database_url,
        a_service(
            open_folder / "studio",
            database_url=database_url,
            redis_url=servers.redis(),
            ACESTEP_LM_MODEL_PATH="acestep-5Hz-lm-tiny-random",
            ACESTEP_INIT_LLM="true",
        ) as service,
    ):
        await service.start("api")
        await service.start("worker")
        yield service


@pytest.fixture
def studio(browser: Browser, tiny: Service) -> OpenStudio:
    """Open pages of the service with the tiny models."""

    def open_(**options: Any) -> AbstractAsyncContextManager[tuple[Page, Watch]]:
        return a_page(browser, tiny.url, **{"viewport": WIDE, **options})

    return open_


async def ready(page: Page) -> Page:
    """Open Studio and wait until its form can be used."""
    await page.goto("/studio")
    await page.wait_for_selector("[data-name=prompt] textarea")
    return page


async def generate(page: Page, prompt: str, *, takes: int = 1, length: str = "0:10") -> str:
    """Fill the form and send it; returns the key of the new card."""
    before = set(await keys_of(page))
    await page.fill("[data-name=prompt] textarea", prompt)
    await page.fill("[data-name=audio_duration] input.input", length)
    await page.fill("[data-name=batch_size] input", str(takes))
    await page.click("#generate")
    await page.wait_for_selector(f".job >> nth={len(before)}")
    return next(key for key in await keys_of(page) if key not in before)


async def keys_of(page: Page) -> list[str]:
    keys = await page.locator(".job").evaluate_all("cards => cards.map(card => card.dataset.key)")
    return list(keys)
