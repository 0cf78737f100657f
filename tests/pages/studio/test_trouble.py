"""What goes wrong: keys, a full queue, a service that dies, a lost answer, hostile texts and files."""

import asyncio
import io
import json
import signal
from typing import Any

import numpy as np
import pytest
import soundfile
from playwright.async_api import Page, Route

from tests.pages.conftest import KEY, Open
from tests.pages.studio.conftest import OpenStudio, generate, ready
from tests.processes import Service

pytestmark = [pytest.mark.browser, pytest.mark.inference]

# Each would run, load or break out, if anything put it into the page as markup.
HOSTILE = [
    f"{opening}{body}{closing}"
    for opening in ("", "'>", '">', "</textarea>", "</title>", "-->", "]]>", "\u2028", "{{", "${")
    for body, closing in (
        ("<script>window.hacked=1</script>", ""),
        ("<img src=x onerror=window.hacked=1>", ""),
        ("<svg onload=window.hacked=1>", "</svg>"),
        ("<iframe srcdoc='<script>parent.hacked=1</script>'>", ""),
        ("<details open ontoggle=window.hacked=1>", "x"),
        ("<a href=javascript:window.hacked=1>", "x</a>"),
        ("<style>@import 'http://evil.example/x'</style>", ""),
        ("<link rel=stylesheet href=http://evil.example/x>", ""),
        ("<input autofocus onfocus=window.hacked=1>", ""),
        ("<math><mtext></form><form><mglyph><style></math>", "<img src onerror=window.hacked=1>"),
        ("javascript:window.hacked=1//", ""),
        ("<base href=http://evil.example/>", ""),
        ("<meta http-equiv=refresh content='0;url=http://evil.example/'>", ""),
        ("<object data=http://evil.example/>", ""),
        ("<video><source onerror=window.hacked=1></video>", ""),
        ("<template><script>window.hacked=1</script></template>", ""),
        ("<x style=animation-name:a onanimationend=window.hacked=1>", ""),
        ("<button popovertarget=x onclick=window.hacked=1>", "x"),
        ("<body onload=window.hacked=1>", ""),
        ("\u202e<b>bold</b>\ufeff", ""),
    )
]


async def test_a_key_is_asked_for_and_kept_in_this_tab_only(opened: Open) -> None:
    async with opened() as (page, watch):
        watch.expected.add(401)
        await page.goto("/studio")
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("API key").fill("wrong-key")
        await dialog.get_by_role("button", name="Use this key").click()
        await dialog.get_by_text("invalid API key").wait_for()
        await dialog.get_by_label("API key").fill(KEY)
        await dialog.get_by_role("button", name="Use this key").click()
        await page.fill("[data-name=prompt] textarea", "kept text")
        await page.wait_for_selector("dialog", state="detached")
        places = await page.evaluate(
            "[location.href, JSON.stringify(localStorage), document.documentElement.outerHTML]"
        )
        assert [place for place in places if KEY in place] == []
        assert KEY in await page.evaluate("JSON.stringify(sessionStorage)")
        await page.click("#request")
        assert KEY not in await page.inner_text("dialog")


async def test_a_key_that_ends_in_the_middle_costs_no_text(opened: Open) -> None:
    async with opened() as (page, watch):
        watch.expected.add(401)
        await page.goto("/studio")
        await page.get_by_role("dialog").get_by_label("API key").fill(KEY)
        await page.get_by_role("button", name="Use this key").click()
        await page.fill("[data-name=prompt] textarea", "sleep=60")
        # In one go: nothing else may notice first that the key is of no use any more.
        await page.evaluate(
            """for (const name of Object.keys(sessionStorage)) {
              if (name.startsWith("acestep-key")) sessionStorage.setItem(name, "revoked");
            }
            document.querySelector("#generate").click();"""
        )
        await page.get_by_role("dialog").get_by_label("API key").fill(KEY)
        await page.get_by_role("button", name="Use this key").click()
        # Other tests of the session may have started a worker of this service.
        await page.wait_for_selector(".job[data-state=queued], .job[data-state=running]")
        assert await page.locator("[data-name=prompt] textarea").input_value() == "sleep=60"
        await page.get_by_role("button", name="Cancel task").click()
        await page.wait_for_selector(".job[data-state=cancelled]")


async def test_a_full_queue_counts_down_and_makes_one_task(studio: OpenStudio) -> None:
    async with studio() as (page, watch):
        watch.expected.add(429)
        await ready(page)
        keys: list[str | None] = []

        async def full_once(route: Route) -> None:
            keys.append(route.request.headers.get("idempotency-key"))
            if len(keys) > 1:
                return await route.continue_()
            refusal = {"data": None, "code": 429, "error": "queue is full: 1 of 1 tasks waiting"}
            return await route.fulfill(status=429, headers={"Retry-After": "2"}, json=refusal)

        await page.route("**/release_task", full_once)
        key = await generate(page, "short")
        await page.locator(f"[data-key='{key}']").get_by_text("queue is full").wait_for()
        await page.wait_for_selector(f"[data-key='{key}'] .take")
        assert len(keys) == 2
        assert len(set(keys)) == 1


async def test_a_lost_answer_makes_one_task(studio: OpenStudio, tiny: Service) -> None:
    async with studio() as (page, watch):
        watch.also.add("net::ERR_FAILED")
        await ready(page)
        before = (await tiny.stats())["jobs"]["total"]
        dropped: list[int] = []

        async def drop_once(route: Route) -> None:
            if dropped:
                return await route.continue_()
            dropped.append((await route.fetch()).status)
            return await route.abort()

        await page.route("**/release_task", drop_once)
        key = await generate(page, "short")
        await page.wait_for_selector(f"[data-key='{key}'] .take")
        assert dropped == [200]
        assert (await tiny.stats())["jobs"]["total"] == before + 1


async def test_a_wrong_value_goes_to_the_form(studio: OpenStudio) -> None:
    async with studio() as (page, watch):
        watch.expected.add(400)
        await ready(page)
        await page.get_by_role("button", name="Expert").click()
        await page.fill("[data-name=webhook_url] input", "not an address")
        await page.click("#generate")
        await page.wait_for_selector(".problem:not([hidden]):not(:empty), .problems .notice")
        assert await page.locator(".job").count() == 0


async def test_the_service_dies_and_comes_back_during_a_job(studio: OpenStudio, tiny: Service) -> None:
    async with studio() as (page, watch):
        watch.also |= {"net::ERR", "Failed to load resource"}
        await ready(page)
        key = await generate(page, "through a restart", length="0:20")
        await page.wait_for_selector(f"[data-key='{key}']:not([data-state=sending])")
        await tiny.stop("api", signal.SIGKILL)
        await page.wait_for_selector("#strips .strip")
        await tiny.start("api")
        await page.wait_for_selector(f"[data-key='{key}'] .take")
        await page.wait_for_selector("#strips .strip", state="detached")


async def test_without_a_stream_jobs_are_polled(studio: OpenStudio) -> None:
    async with studio() as (page, watch):
        watch.also.add("net::ERR_FAILED")
        await page.route("**/v1/tasks/stream", lambda route: route.abort())
        await ready(page)
        key = await generate(page, "polled")
        await page.wait_for_selector(f"[data-key='{key}'] .take")


async def test_two_tabs_share_one_stream(studio: OpenStudio) -> None:
    async with studio() as (page, _):
        asked: list[str] = []
        page.context.on("request", lambda request: asked.append(request.url))
        await ready(page)
        other = await page.context.new_page()
        await ready(other)
        key = await generate(page, "for both tabs")
        await page.wait_for_selector(f"[data-key='{key}'] .take")
        await other.wait_for_selector(".library-task")
        assert len([url for url in asked if url.endswith("/v1/tasks/stream")]) == 1


def audio(kind: str, subtype: str) -> bytes:
    file = io.BytesIO()
    wave = 0.3 * np.sin(2 * np.pi * 220 * np.arange(48_000 * 10) / 48_000)
    soundfile.write(file, np.stack([wave, wave], axis=1), 48_000, format=kind, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "subtype"), [("mp3", "MPEG_LAYER_III"), ("wav", "PCM_16"), ("flac", "PCM_16")]
)
async def test_a_file_is_uploaded_as_the_source_of_a_cover(
    studio: OpenStudio, kind: str, subtype: str
) -> None:
    async with studio() as (page, _):
        await ready(page)
        await page.click("[data-task=cover]")
        file = {"name": f"own song.{kind}", "mimeType": "audio/*", "buffer": audio(kind, subtype)}
        await page.set_input_files("[data-role=source] input[type=file]", file)
        await page.locator("[data-role=source]").get_by_text("0:10").wait_for()
        key = await generate(page, "as jazz")
        await page.wait_for_selector(f"[data-key='{key}'] .take")
        await page.locator(f"[data-key='{key}']").get_by_text("Cover").first.wait_for()


async def test_a_source_is_asked_for_before_anything_is_sent(studio: OpenStudio) -> None:
    async with studio() as (page, _):
        await ready(page)
        await page.click("[data-task=cover]")
        await page.click("#generate")
        await page.get_by_text("Choose a source audio").wait_for()


async def test_hostile_texts_stay_texts(studio: OpenStudio, tiny: Service) -> None:
    assert len(HOSTILE) == 200
    harmless = ["plain"] * len(HOSTILE)
    async with studio() as (page, _):
        await ready(page)
        counts = [await shown(page, texts) for texts in (harmless, HOSTILE)]
        assert counts[0] == counts[1]
        await page.fill("[data-name=prompt] textarea", HOSTILE[1])
        await page.locator("[data-name=lyrics] textarea").fill("\n".join(HOSTILE)[:16_000])
        await page.reload()
        await page.wait_for_selector("[data-name=prompt] textarea")
        assert await page.evaluate("window.hacked") is None


async def shown(page: Page, texts: list[str]) -> int:
    """Let a library, a session, and its tracks of these texts be drawn; returns the elements of the page."""
    listed = [listing(number, text) for number, text in enumerate(texts)]
    answer = {"data": {"items": listed, "next_cursor": None, "has_more": False}, "code": 200, "error": None}

    async def library(route: Route) -> None:
        await route.fulfill(json=answer)

    await page.route("**/v1/tasks?*", library)
    await page.fill("#library input[type=search]", texts[0][:3] + str(len(texts[0])))
    await wait_for_text(page, texts[-1])
    session = a_file(texts)
    async with page.expect_file_chooser() as waiting:
        await page.click("#session")
        await page.get_by_role("menuitem", name="Import a session").click()
    chooser = await waiting.value
    await chooser.set_files({"name": "s.json", "mimeType": "application/json", "buffer": session})
    await page.wait_for_selector(".track-row >> nth=19")
    await page.wait_for_selector(".toast")
    count = await page.evaluate(
        "document.querySelectorAll('#library *, #timeline *, #tools *, .toast:last-of-type *').length"
    )
    await page.unroute("**/v1/tasks?*")
    await page.get_by_role("button", name="Close", exact=True).first.click()
    return int(count)


async def wait_for_text(page: Page, text: str) -> None:
    """Wait until the last row of the library shows exactly this text."""
    row = page.locator(".library-task").nth(199).locator("strong").first
    for _ in range(400):
        if await row.count() and await row.text_content() == text:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"the library never showed {text!r}")


def listing(number: int, text: str) -> dict[str, Any]:
    return {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "state": "failed",
        "created_at": "2026-01-01T00:00:00.000Z",
        "task_type": "text2music",
        "prompt": text,
        "duration": None,
        "seeds": [],
        "labels": {text[:60]: text},
        "outputs": [],
    }


def a_file(texts: list[str]) -> bytes:
    tracks = [
        {
            "id": f"t{n}",
            "name": texts[n],
            "color": 0,
            "gain_db": 0,
            "pan": 0,
            "mute": False,
            "solo": False,
            "clips": [],
        }
        for n in range(20)
    ]
    return json.dumps(
        {
            "format": "acestep-studio-session",
            "version": 1,
            "id": "hostile",
            "name": texts[1],
            "created_at": "x",
            "updated_at": "2026-01-01",
            "sample_rate": 48_000,
            "tempo": {"bpm": 120, "beats": 4, "offset": 0},
            "sources": [],
            "tracks": tracks,
            "master": {"gain_db": 0},
            "loop": {"on": False, "start": 0, "end": 0},
            "form": {"touched": {"prompt": texts[2]}},
            "jobs": [],
            "view": {"snap": "beat", "zoom": 40},
        }
    ).encode()
