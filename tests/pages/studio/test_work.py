"""A whole session in Studio, on the tiny models."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from playwright.async_api import Download, Page

from tests.pages.studio.conftest import OpenStudio, generate, ready
from tests.processes import Service

pytestmark = [pytest.mark.browser, pytest.mark.inference]


async def watch_stages(page: Page, key: str) -> None:
    """Note every sentence of a card, and every value of its bar."""
    await page.evaluate(
        """(key) => {
          window.said = []; window.parts = [];
          const card = document.querySelector(`[data-key="${key}"]`);
          const note = () => {
            said.push(card.querySelector(".job-line").textContent);
            parts.push(Number(card.querySelector(".progress").getAttribute("aria-valuenow") ?? 0));
          };
          const all = { subtree: true, childList: true, characterData: true, attributes: true };
          new MutationObserver(note).observe(card, all);
        }""",
        key,
    )


async def downloaded(page: Page, button: str) -> bytes:
    async with page.expect_download() as waiting:
        await page.click(button)
    download: Download = await waiting.value
    return Path(await download.path()).read_bytes()


async def stored(page: Page, store: str) -> list[Any]:
    """Read one store of the browser."""
    script = """(name) => new Promise((resolve, reject) => {
      const open = indexedDB.open("acestep-studio");
      open.onerror = () => reject(open.error);
      open.onsuccess = () => {
        const request = open.result.transaction(name).objectStore(name).getAll();
        request.onsuccess = () => {
          open.result.close();
          resolve(JSON.parse(JSON.stringify(request.result)));
        };
      };
    })"""
    return list(await page.evaluate(script, store))


async def test_a_whole_session(studio: OpenStudio, tiny: Service) -> None:
    async with studio() as (page, _):
        await ready(page)
        # Long enough for a fast machine to be seen at its stages.
        key = await generate(page, "warm piano, rain", takes=2, length="0:40")
        await watch_stages(page, key)
        await page.wait_for_selector(f"[data-key='{key}'] .take >> nth=1")
        stages = {line.split(" · ")[0].rstrip("0123456789/ ") for line in await page.evaluate("said")} - {
            "",
            "Done.",
        }
        assert len(stages) >= 3, stages
        parts = await page.evaluate("parts")
        assert parts == sorted(parts)

        await plays_and_seeks(page)
        repainted = await repaints_a_region(page)
        await mixes_two_tracks(page, key, repainted)
        await comes_back_after_a_reload(page)


async def plays_and_seeks(page: Page) -> None:
    take = page.locator(".job .take").first
    await take.get_by_role("button", name="Play take A").click()
    await take.get_by_role("button", name="Pause take A").wait_for()
    slider = page.locator("#player input[type=range]").first
    await page.wait_for_selector("#player:not([hidden])")
    # The clock of the player runs on while it plays.
    first = float(await slider.input_value())
    await until_above(page, "#player input[type=range]", first + 0.5)
    await take.get_by_role("button", name="Pause take A").click()
    wave = take.locator(".waveform-seek")
    box = await wave.bounding_box()
    assert box is not None
    await wave.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    length = float(await wave.get_attribute("aria-valuemax") or 0)
    assert abs(float(await wave.get_attribute("aria-valuenow") or 0) - length / 2) <= 0.05
    await wave.press("ArrowRight")
    assert abs(float(await wave.get_attribute("aria-valuenow") or 0) - length / 2 - 1) <= 0.05


async def until_above(page: Page, selector: str, value: float) -> None:
    await page.evaluate(
        """([selector, value]) => new Promise((resolve) => {
          const now = () => Number(document.querySelector(selector).value);
          const look = () => (now() > value ? resolve() : setTimeout(look, 20));
          look();
        })""",
        [selector, value],
    )


async def repaints_a_region(page: Page) -> str:
    """Select two seconds by keys and send them as a repaint of the take."""
    take = page.locator(".job .take").first
    wave = take.locator(".waveform-seek")
    await wave.press("Home")
    await wave.press("Shift+ArrowRight")
    await wave.press("Shift+ArrowRight")
    await take.get_by_role("button", name="Repaint").click()
    await page.wait_for_selector("[data-task=repaint][aria-pressed=true]")
    await page.fill("[data-name=batch_size] input", "1")
    async with page.expect_request("**/release_task") as sent:
        await page.click("#generate")
    body = json.loads((await sent.value).post_data or "")
    assert (body["task_type"], body["repainting_start"], body["repainting_end"]) == ("repaint", 0, 2)
    assert body["src_audio_path"].startswith("/v1/audio?path=")
    card = page.locator(".job").first
    await card.locator(".take").wait_for()
    return str(await card.get_attribute("data-key"))


async def mixes_two_tracks(page: Page, *keys: str) -> None:
    for number, key in enumerate(keys):
        await page.locator(f"[data-key='{key}'] .take button[aria-haspopup]").first.click()
        await page.get_by_role("menuitem", name="Put on a track").click()
        await page.wait_for_selector(f".tl-clip >> nth={number}")
    second = page.locator(".track-row").nth(1).locator(".tl-clip")
    await second.focus()
    await second.press("ArrowRight")
    await second.press("ArrowRight")
    await page.locator(".track-row").nth(1).get_by_role("slider", name="Volume").fill("-6")
    await page.click("#mix")
    await page.get_by_role("dialog").get_by_role("button", name="Mix down").click()
    await page.wait_for_selector("#mix-peak")
    wav = await downloaded(page, "dialog button:has-text('Download')")
    await page.get_by_role("dialog").get_by_role("button", name="Close").click()
    mix, rate = soundfile.read(io.BytesIO(wav), dtype="float64")
    parts = [await audio_of(page, key) for key in keys]
    beat = rate // 2
    expected = np.zeros_like(mix)
    expected[: len(parts[0])] += parts[0]
    expected[2 * beat : 2 * beat + len(parts[1])] += parts[1] * 10 ** (-6 / 20)
    assert rate == 48_000
    # mp3 is decoded by two programs, so values are close; places are equal.
    assert np.corrcoef(mix[:, 0], expected[:, 0])[0, 1] > 0.99
    assert abs(len(mix) - len(expected)) == 0


async def audio_of(page: Page, key: str) -> np.ndarray:
    data = await downloaded(page, f"[data-key='{key}'] .take >> nth=0 >> button[aria-label^=Download]")
    wave, _ = soundfile.read(io.BytesIO(data), dtype="float64", always_2d=True)
    return np.asarray(wave)


async def comes_back_after_a_reload(page: Page) -> None:
    await page.locator("#saved", has_text="saved").wait_for()
    [before] = await stored(page, "sessions")
    assert "127.0.0.1" not in json.dumps(before)
    await page.reload()
    await page.wait_for_selector(".tl-clip >> nth=1")
    await page.wait_for_selector(".job .take >> nth=2")
    await page.locator("#saved", has_text="saved").wait_for()
    [after] = await stored(page, "sessions")
    assert {**after, "updated_at": ""} == {**before, "updated_at": ""}


async def test_a_job_is_cancelled_and_run_again(studio: OpenStudio) -> None:
    async with studio() as (page, _):
        await ready(page)
        key = await generate(page, "long piece", takes=2, length="2:00")
        card = page.locator(f"[data-key='{key}']")
        await card.get_by_role("button", name="Cancel task").click()
        await card.get_by_text("The task was cancelled").wait_for()
        await card.get_by_role("button", name="Run again").click()
        await page.get_by_role("menuitem", name="With the same seeds").click()
        again = page.locator(".job").first
        await again.get_by_role("button", name="Cancel task").click()
        await again.get_by_text("The task was cancelled").wait_for()


async def test_a_sample_fills_the_form_and_can_be_undone(studio: OpenStudio) -> None:
    async with studio() as (page, _):
        await ready(page)
        prompt = page.locator("[data-name=prompt] textarea")
        await page.click("#surprise")
        await page.wait_for_selector("[data-name=prompt] .field-tools button:not([hidden])")
        assert len(await prompt.input_value()) > 10
        await page.locator("#generate").press("Control+z")
        await page.wait_for_selector("[data-name=prompt] .field-tools button[hidden]", state="attached")
        assert await prompt.input_value() == ""


async def test_the_language_model_improves_the_text(studio: OpenStudio) -> None:
    async with studio() as (page, _):
        await ready(page)
        await page.fill("[data-name=prompt] textarea", "piano")
        await page.click("#improve")
        await page.get_by_role("button", name="Take what is ticked").click()
        await page.wait_for_selector("dialog", state="detached")
        assert await page.locator("[data-name=prompt] textarea").input_value() != "piano"
