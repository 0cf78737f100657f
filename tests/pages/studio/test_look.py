"""How Studio looks: accessible, translated, within its window, and the pictures of the documentation."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from PIL import Image
from playwright.async_api import Page, Route

from tests.pages.studio.conftest import NARROW, WIDE, OpenStudio, generate, ready
from tests.pages.studio.pictures import mix, song

pytestmark = [pytest.mark.browser, pytest.mark.inference]

ROOT = Path(__file__).resolve().parents[3]
PICTURES = ROOT / "docs" / "screenshots"
WIDER = """() => [...document.querySelectorAll("body *")].filter((one) => {
  const box = one.getBoundingClientRect();
  const inside = ".timeline-scroll, .visually-hidden, .skip, dialog";
  return box.width && box.right > innerWidth + 1 && !one.closest(inside);
}).map((one) => one.outerHTML.slice(0, 120))"""


async def findings(page: Page) -> list[str]:
    """Serious and critical findings of axe, with the element."""
    result = await Axe().run(page)
    return [
        f"{one['id']}: {node['html'][:160]}"
        for one in result.response["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


async def picture(page: Page, name: str) -> None:
    """Keep a picture for the documentation, with few colours so that it stays small."""
    PICTURES.mkdir(exist_ok=True)
    shot = Image.open(io.BytesIO(await page.screenshot(animations="disabled")))
    shot.convert("RGB").quantize(128).save(PICTURES / f"studio-{name}.png", optimize=True)


async def import_song(page: Page) -> None:
    async with page.expect_file_chooser() as waiting:
        await page.click("#session")
        await page.get_by_role("menuitem").last.click()
    file: Any = {"name": "song.acestep.zip", "mimeType": "application/zip", "buffer": song()}
    await (await waiting.value).set_files(file)
    await page.wait_for_selector(".track-row >> nth=5", state="attached")


async def show(page: Page, area: str) -> None:
    """Go to an area; only narrow pages have a bar for it."""
    button = page.locator(f"#areas [data-area={area}]")
    if await button.is_visible():
        await button.click()


async def with_music(page: Page) -> None:
    """Let clips sound and look like music, not like the noise of the tiny models."""
    music = mix()

    async def answer(route: Route) -> None:
        await route.fulfill(body=music, content_type="audio/wav")

    await page.route("**/v1/audio?*", answer)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
async def test_every_view_is_accessible_and_fits(studio: OpenStudio, theme: Any, size: Any) -> None:
    width = "wide" if size == WIDE else "narrow"

    async def look(page: Page, view: str) -> None:
        assert await findings(page) == [], view
        assert await page.evaluate(WIDER) == [], view
        if os.environ.get("SCREENSHOTS"):
            await picture(page, f"{view}-{width}-{theme}")

    async with studio(viewport=size, color_scheme=theme) as (page, _):
        await with_music(page)
        await ready(page)
        await page.locator("#queue", has_text="waiting").wait_for()
        await look(page, "first-visit")
        await page.get_by_role("button", name="Expert").click()
        await page.locator("[data-name=vocal_language]").scroll_into_view_if_needed()
        await look(page, "form-expert")
        await page.get_by_role("button", name="Simple").click()
        key = await generate(page, "warm lo-fi hip hop, soft piano, rainy evening", takes=2)
        await page.wait_for_selector(f"[data-key='{key}'] .take >> nth=1", state="attached")
        await show(page, "jobs")
        wave = page.locator(".job .waveform-seek").first
        for press in ("ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight"):
            await wave.press(press)
        await look(page, "takes")
        await import_song(page)
        await show(page, "timeline")
        await page.locator(".toast").last.wait_for()
        await page.locator(".toast button").last.click()
        if size == WIDE:
            for _ in range(9):
                await page.press("#separator", "ArrowUp")
        await look(page, "timeline")
        await page.click("#mix")
        await page.get_by_role("dialog").get_by_role("button", name="Mix down").click()
        await page.wait_for_selector("#mix-peak")
        await look(page, "mix")
        await page.get_by_role("dialog").get_by_role("button", name="Close").click()
        await show(page, "library")
        await page.wait_for_selector(".library-task")
        await look(page, "library")
        await page.click("#settings")
        await look(page, "settings")


@pytest.mark.parametrize("language", ["ko", "it"])
async def test_other_languages_fit_small_windows(studio: OpenStudio, language: str) -> None:
    async with studio(viewport={"width": 320, "height": 700}, locale=language) as (page, _):
        await ready(page)
        assert await page.get_attribute("html", "lang") == language
        await page.locator(".segmented button").nth(2).click()
        assert await page.evaluate(WIDER) == []
        untranslated = await page.evaluate(
            "document.body.innerText.match(/\\b(field|hint|form|group|job|area|timeline)\\.[a-z_]+/g)"
        )
        assert untranslated is None
        if os.environ.get("SCREENSHOTS"):
            await page.set_viewport_size(WIDE)
            await picture(page, f"form-{language}")


async def test_the_first_paint_needs_little(studio: OpenStudio) -> None:
    async with studio() as (page, _):
        await ready(page)
        script = """() => {
          const paint = performance.getEntriesByName("first-contentful-paint")[0].startTime;
          const before = performance.getEntriesByType("resource").filter((one) => one.responseEnd <= paint);
          return [before.length, before.reduce((sum, one) => sum + one.transferSize, 0)];
        }"""
        requests, size = await page.evaluate(script)
        assert requests <= 30
        assert size <= 200_000
