"""The admin page before a service with a history."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser import Watch
from tests.pages.conftest import KEY, Open
from tests.pages.showcase import fill
from tests.processes import Service

WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}
At = Callable[..., AbstractAsyncContextManager[tuple[Page, Watch]]]


@dataclass(frozen=True)
class History:
    """The service, and the ids of its ended tasks, oldest first."""

    service: Service
    ended: list[UUID]

    async def ask(self, method: str, path: str, *, key: str = KEY, **options: Any) -> Any:
        """Ask the API itself; returns `data`, or the text of an export."""
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=self.service.url, trust_env=False, timeout=40) as client:
            answer = await client.request(method, path, headers=headers, **options)
        answer.raise_for_status()
        is_json = answer.headers["content-type"].startswith("application/json")
        return answer.json()["data"] if is_json else answer.text

    async def key_with(self, *scopes: str) -> str:
        made = await self.ask("POST", "/v1/keys", json={"name": " ".join(scopes), "scopes": list(scopes)})
        return str(made["key"])


@pytest_asyncio.fixture(scope="session")
async def history(service: Service) -> History:
    return History(service, await fill(service.environment["DATABASE_URL"], 250))


@pytest.fixture
def at(opened: Open, history: History) -> At:
    """Open a place of the admin page with a key, a theme, a language and a size."""

    @asynccontextmanager
    async def at_(
        place: str = "overview", *, key: str = KEY, theme: str = "light", language: str = "en", **options: Any
    ) -> AsyncIterator[tuple[Page, Watch]]:
        options = {"viewport": WIDE, **options}
        async with opened(**options) as (page, watch):
            stored = f"""
            try {{
              localStorage.setItem("acestep-theme", {theme!r});
              localStorage.setItem("acestep-language", {language!r});
              if ({key!r}) sessionStorage.setItem(`acestep-key ${{location.origin}}/`, {key!r});
            }} catch {{ }}
            """
            await page.add_init_script(stored)
            await page.goto(f"/admin#/{place}")
            if key:
                await settled(page)
            yield page, watch

    return at_


async def settled(page: Page) -> None:
    """Wait until a page stands and nothing in it is still being read."""
    await page.wait_for_selector("#content .page h1")
    await page.wait_for_load_state("load")
    await expect(page.locator("[aria-busy=true], .skeleton")).to_have_count(0, timeout=40_000)


async def go(page: Page, place: str) -> None:
    """Follow a link of the page to another place."""
    await page.evaluate("(place) => { location.hash = `#/${place}`; }", place)
    await page.wait_for_selector(f"#content .page[data-page={place.split('/')[0].split('?')[0]}] h1")
    await settled(page)
