"""The task list over a long history: few rows in the page, pages by cursor, no count."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.bench.rows import fill
from tests.browser import a_page, call
from tests.conftest import Servers, fresh_database
from tests.pages.conftest import KEY
from tests.processes import Service, a_service

pytestmark = pytest.mark.browser

ROWS = int(os.environ.get("PAGES_ROWS", "0"))
"""A history of so many tasks, such as a million; some minutes are needed to write it."""

MOST_ROWS = 80
COUNT = "document.querySelectorAll('[role=row][data-id]').length"
# Scrolls by some hundred rows and waits for the next frame, so that pages come as they do for a reader.
STEP = """() => new Promise((done) => {
  const list = document.querySelector("[role=grid]");
  list.scrollTop += 4000;
  requestAnimationFrame(() => setTimeout(done, 0));
})"""
INDEX = """() => Math.max(...[...document.querySelectorAll("[role=row][data-id]")]
  .map((row) => Number(row.getAttribute("aria-rowindex"))))"""


@pytest_asyncio.fixture(scope="module")
async def long(
    browser: Browser, open_folder: Path, servers: Servers, template: str
) -> AsyncIterator[Service]:
    async with (
        fresh_database(servers, template) as url,
        a_service(
            open_folder / "long", database_url=url, redis_url=servers.redis_url, ACESTEP_API_KEY=KEY
        ) as service,
    ):
        await fill(url, ROWS)
        await service.start("api")
        yield service


@asynccontextmanager
async def the_list(browser: Browser, service: Service) -> AsyncIterator[Page]:
    async with a_page(browser, service.url, viewport={"width": 1280, "height": 800}) as (page, _):
        await page.add_init_script(
            f"try {{ sessionStorage.setItem(`acestep-key ${{location.origin}}/`, {KEY!r}) }} catch {{ }}"
        )
        await page.goto("/admin#/tasks")
        await expect(page.locator("[role=row][data-id]").first).to_be_visible()
        yield page


async def scroll_to(page: Page, index: int) -> list[int]:
    """Scroll until a row of this number is in the page; returns how many rows stood there on the way."""
    seen: list[int] = []
    for _ in range(index * 40):
        await page.evaluate(STEP)
        seen.append(await page.evaluate(COUNT))
        if await page.evaluate(INDEX) >= index:
            return seen
    raise AssertionError(f"row {index} never came; at {await page.evaluate(INDEX)}")


# A list of 20 000 rows whose pages come at once: more than the fifty pages that are kept.
SIMULATED = """(async () => {
  const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/web/css/components.css" });
  const styled = new Promise((done) => { style.onload = done; });
  document.head.append(style);
  await styled;
  const asked = [];
  const list = m.createVirtualList({
    label: "all", rowPx: 36,
    load: async (cursor) => {
      const from = cursor ?? 0;
      asked.push(from);
      const items = Array.from({ length: 200 }, (_, at) => ({ id: from + at }));
      return { items, next: from + 200 < 20000 ? from + 200 : null };
    },
    row: ({ id }) => {
      const row = document.createElement("div");
      row.setAttribute("role", "row");
      row.dataset.id = id;
      return row;
    },
  });
  list.style.height = "600px";
  document.body.append(list);
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  const rows = () => [...list.querySelectorAll("[role=row]")];
  const at = () => Math.max(...rows().map((row) => Number(row.dataset.id)));
  let most = 0;
  const scroll = async (px) => { list.scrollTop += px; await frame(); most = Math.max(most, rows().length); };
  for (let n = 0; n < 2000 && at() < 19999; n += 1) await scroll(3000);
  const down = { at: at(), most, kept: list.items().length };
  const numbered = rows().every((row) => Number(row.getAttribute("aria-rowindex")) === Number(row.dataset.id) + 1);
  for (let n = 0; n < 2000 && !rows().some((row) => row.dataset.id === "0"); n += 1) await scroll(-3000);
  const up = { first: list.items()[0].id, most, kept: list.items().length };
  list.remove();
  return { down, up, numbered, asked: asked.length };
})()"""


async def test_a_long_list_keeps_few_rows_and_some_pages(bare: Page) -> None:
    seen = await call(bare, "ui/virtual-list.js", SIMULATED)
    assert seen["down"] == {"at": 19_999, "most": seen["down"]["most"], "kept": 10_000}
    assert seen["up"]["first"] == 0
    assert seen["up"]["most"] <= MOST_ROWS
    assert seen["numbered"]
    assert seen["asked"] > 100


@pytest.mark.skipif(ROWS == 0, reason="set PAGES_ROWS for a long history")
async def test_it_scrolls_through_more_than_it_keeps(browser: Browser, long: Service) -> None:
    goal = min(ROWS - 200, 50_000)
    async with the_list(browser, long) as page:
        first: Any = await page.get_attribute("[aria-rowindex='1']", "data-id")
        seen = await scroll_to(page, goal)
        assert max(seen) <= MOST_ROWS
        await page.locator("[role=grid]").focus()
        await page.keyboard.press("Home")
        row = page.locator("[role=row][aria-rowindex='1']")
        await expect(row).to_have_attribute("data-id", first)
        assert await page.evaluate(COUNT) <= MOST_ROWS
