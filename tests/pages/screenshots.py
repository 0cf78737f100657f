"""Take the pictures of `docs/screenshots/`: `python -m tests.pages.screenshots ADDRESS KEY DATABASE_URL`.

The service stands with an empty database; the showcase fills it.
"""

import asyncio
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, Page

from tests.browser import a_browser, a_page, chromium
from tests.pages.showcase import fill

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
SIZES = {"wide": {"width": 1440, "height": 900}, "narrow": {"width": 390, "height": 844}}
VIEWS = ("overview", "tasks", "record", "compare", "teams", "keys", "usage", "webhooks", "audit")
COLOURS = 128


async def main(address: str, key: str, database_url: str) -> None:
    """Take every view in both themes, wide and narrow."""
    older, newer = (await fill(database_url))[-2:]
    places = {
        "record": f"record/{newer}",
        "compare": f"compare/{older}/{newer}",
        "tasks": "tasks?state=failed&state=succeeded",
    }
    program = chromium()
    if program is None:
        raise SystemExit("no Chromium found")
    with tempfile.TemporaryDirectory() as folder:
        async with a_browser(program, Path(folder)) as browser:
            for theme in ("light", "dark"):
                for size in SIZES:
                    await look(browser, address, key, places, theme=theme, size=size)
            await look(browser, address, key, places, theme="light", size="wide", language="it")


async def look(
    browser: Browser,
    address: str,
    key: str,
    places: dict[str, str],
    *,
    theme: str,
    size: str,
    language: str = "en",
) -> None:
    """Take the views of one theme, size and language; other languages only the overview."""
    async with a_page(browser, address, viewport=SIZES[size]) as (page, _):
        await page.add_init_script(f"""try {{
            localStorage.setItem("acestep-theme", {theme!r});
            localStorage.setItem("acestep-language", {language!r});
            sessionStorage.setItem(`acestep-key ${{location.origin}}/`, {key!r});
        }} catch {{ }}""")
        await page.goto("/admin#/overview")
        for view in VIEWS if language == "en" else VIEWS[:1]:
            await page.evaluate("(to) => { location.hash = `#/${to}`; }", places.get(view, view))
            await page.wait_for_selector(f"#content .page[data-page={view}] h1")
            await page.wait_for_timeout(1500)
            name = "-".join(["admin", view, *([language] if language != "en" else []), theme, size])
            await keep(page, name)


async def keep(page: Page, name: str) -> None:
    """Save what is seen, with few colours."""
    image = Image.open(io.BytesIO(await page.screenshot())).convert("RGB").quantize(COLOURS)
    await asyncio.to_thread(image.save, FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
