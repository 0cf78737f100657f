"""A real Chromium for tests of the pages, and everything it must not say or ask."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
_OF_A_STATUS = "Failed to load resource: the server responded with a status of"
# Runs in every document: what the policy blocks is told here, also where the console keeps silent.
_LISTEN = """
window.blocked = [];
const note = (event) => blocked.push(`${event.violatedDirective} ${event.blockedURI}`);
addEventListener("securitypolicyviolation", note);
addEventListener("unhandledrejection", (event) => console.error(`unhandled: ${event.reason}`));
"""


def chromium() -> str | None:
    """Return the path of Debian's Chromium, or of another under one of its names."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@asynccontextmanager
async def a_browser(program: str, profile: Path) -> AsyncIterator[Browser]:
    """Chromium with an empty profile for the length of the block."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=[*FLAGS, f"--disk-cache-dir={profile}"], chromium_sandbox=False
        )
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Watch:
    """Collects what goes wrong in a page: errors, refusals of its policy, requests to other hosts.

    Attributes:
        expected: statuses of answers that the test provokes; Chromium writes a line for each.
        also: texts that a console line may hold because the test provokes it (such as a lost connection).
    """

    url: str
    expected: set[int] = field(default_factory=set)
    also: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        """Listen to a page from its first document on."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"script error: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if _OF_A_STATUS in message.text and any(f" {status} " in message.text for status in self.expected):
            return
        if not any(text in message.text for text in self.also):
            self.problems.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        target = urlsplit(request.url)
        if target.scheme in ("http", "https", "ws", "wss") and target.netloc != urlsplit(self.url).netloc:
            self.problems.append(f"request to {request.url}")

    async def check(self, page: Page) -> None:
        """Fail on anything that was collected."""
        blocked = await page.evaluate("window.blocked ?? []")
        assert [*self.problems, *(f"blocked: {line}" for line in blocked)] == []


@asynccontextmanager
async def a_page(browser: Browser, url: str, **options: Any) -> AsyncIterator[tuple[Page, Watch]]:
    """A page in a context of its own, watched; at the end of the block it must have been quiet."""
    context = await browser.new_context(base_url=url, **{"locale": "en-US", "timezone_id": "UTC", **options})
    context.set_default_timeout(40_000)
    await context.add_init_script(_LISTEN)
    page = await context.new_page()
    watch = Watch(url)
    watch.follow(page)
    try:
        yield page, watch
        await watch.check(page)
    finally:
        await context.close()


async def call(page: Page, module: str, expression: str, argument: Any = None) -> Any:
    """Import a module of the pages in the browser as `m`, and evaluate `expression` with it and `given`."""
    script = f"async ([path, given]) => {{ const m = await import(path); return ({expression}); }}"
    return await page.evaluate(script, [f"/web/{module}", argument])
