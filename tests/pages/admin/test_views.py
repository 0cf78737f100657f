"""What holds on every view of the admin page: safe, accessible, small, in three languages, on any screen."""

import os
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from app.domain.keys import Scope
from tests.pages.admin.conftest import NARROW, WIDE, At, History, go
from tests.pages.admin.hostile_texts import texts

pytestmark = pytest.mark.browser

PLACES = ("overview", "tasks", "teams", "keys", "usage", "webhooks", "audit")
NEEDED = {
    "overview": Scope.STATS_READ,
    "tasks": Scope.TASKS_READ,
    "teams": Scope.ADMIN,
    "keys": Scope.TEAM_MANAGE,
    "usage": Scope.USAGE_READ,
    "webhooks": Scope.TEAM_MANAGE,
    "audit": Scope.ADMIN,
}
FULL = bool(os.environ.get("PAGES_FULL"))
BYTES, REQUESTS = 200_000, 36
"""What the shell and the dialog for the key load."""


def places_of(history: History) -> list[str]:
    older, newer = history.ended[-2:]
    return [*PLACES, f"record/{newer}", f"compare/{older}/{newer}"]


@pytest.mark.parametrize(
    ("theme", "size", "part"),
    [
        ("light", WIDE, slice(0, None, 1 if FULL else 2)),
        ("dark", NARROW, slice(1, None, 1 if FULL else 2)),
        *([("dark", WIDE, slice(None)), ("light", NARROW, slice(None))] if FULL else []),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_no_view_has_a_serious_finding(
    at: At, history: History, theme: str, size: Any, part: slice
) -> None:
    found = {}
    async with at("overview", theme=theme, viewport=size) as (page, _):
        for place in places_of(history)[part]:
            await go(page, place)
            result = await Axe().run(page)
            serious = [
                one for one in result.response["violations"] if one["impact"] in ("serious", "critical")
            ]
            if serious:
                found[place] = [(one["id"], one["nodes"][0]["html"][:200]) for one in serious]
    assert found == {}


@pytest.mark.parametrize("language", ["en", "ko", "it"] if FULL else ["it"])
async def test_nothing_scrolls_sideways_on_the_smallest_screen(
    at: At, history: History, language: str
) -> None:
    wide = {}
    async with at("overview", language=language, viewport={"width": 320, "height": 640}) as (page, _):
        assert await page.get_attribute("html", "lang") == language
        for place in places_of(history):
            await go(page, place)
            measure = """() => [document.documentElement, document.getElementById("content")]
                .map((one) => one.scrollWidth - one.clientWidth)"""
            if any(over > 0 for over in await page.evaluate(measure)):
                wide[place] = await page.evaluate(measure)
    assert wide == {}


async def test_every_text_has_been_written(at: At, history: History) -> None:
    """A key without a text is shown itself: none may stand in a page, whatever the language."""
    keys = (
        r"/\b(?:nav|overview|tasks|record|column|filter|usage|keys|teams|webhooks|state|stage)\.[a-z_]+\b/g"
    )
    async with at("overview", language="it") as (page, _):
        for place in set(places_of(history)) - {"audit"}:  # names of actions look like keys
            await go(page, place)
            assert await page.evaluate(f"document.body.innerText.match({keys}) ?? []") == [], place


async def test_hostile_texts_are_shown_as_texts(at: At, history: History) -> None:
    wishes = texts() if FULL else texts()[::8]
    names = sorted((text for text in wishes if text.isprintable() and "<" in text), key=len)[:2]
    await history.ask("POST", "/v1/admin/queue/pause")
    try:
        for text in wishes:
            body = {"prompt": text, "lyrics": text, "labels": {"hostile": text[:60]}, "batch_size": 1}
            await history.ask("POST", "/release_task", json=body)
        await history.ask("POST", "/v1/teams", json={"name": names[0]})
        await history.ask("POST", "/v1/keys", json={"name": names[1], "scopes": ["tasks:read"]})
        await look_at_them(at, history, wishes, names)
    finally:
        for item in (await history.ask("GET", "/v1/tasks", params={"state": "queued", "limit": 200}))[
            "items"
        ]:
            if item["dit_model"] == "acestep-tiny-random":
                await history.ask("POST", f"/v1/tasks/{item['id']}/cancel")
        await history.ask("POST", "/v1/admin/queue/resume")


async def look_at_them(at: At, history: History, wishes: list[str], names: list[str]) -> None:
    async with at("tasks?state=queued&model=acestep-tiny-random") as (page, _):
        await expect(page.locator(".list-state")).to_contain_text(f"{len(wishes)} loaded")
        shown = await page.locator(".c-prompt").all_inner_texts()
        assert set(shown) & set(wishes)
        rows = page.locator("[role=row][data-id]")
        counts = await rows.evaluate_all("(rows) => rows.map((row) => row.querySelectorAll('*').length)")
        assert len(set(counts)) == 1
        tasks = await history.ask("GET", "/v1/tasks", params={"state": "queued", "limit": 5})
        for item in tasks["items"]:
            await go(page, f"record/{item['id']}")
            await expect(page.locator("#content")).to_contain_text(item["prompt"][:40])
        for place in ("teams", "keys"):
            await go(page, place)
            await expect(page.locator("#content")).to_contain_text(names[0 if place == "teams" else 1])
        assert await page.evaluate("window.executed") is None
        assert await page.locator("#content iframe, #content script, #content img").count() == 0


SCOPES = [scope for scope in Scope if scope != Scope.ADMIN]


@pytest.mark.parametrize("scope", SCOPES if FULL else (Scope.TASKS_READ, Scope.TEAM_MANAGE, Scope.AUDIO_READ))
async def test_a_key_is_offered_the_pages_that_it_can_read(at: At, history: History, scope: Scope) -> None:
    key = await history.key_with(scope)
    readable = [place for place in PLACES if NEEDED[place] == scope]
    async with at("nothing", key="") as (page, watch):
        watch.expected.add(401)
        await page.get_by_role("textbox", name="API key").fill(key)
        await page.get_by_role("button", name="Use this key").click()
        await expect(page.locator("#tools")).to_contain_text(key[:12])
        offered = await page.locator("#nav a").evaluate_all(
            "(links) => links.map((link) => link.dataset.page)"
        )
        assert offered == readable
        if not readable:
            await expect(page.locator("#content")).to_contain_text("can read none of these pages")


async def test_what_a_key_may_not_do_says_why(at: At, history: History) -> None:
    key = await history.key_with("tasks:read")
    me = await history.ask("GET", "/v1/teams/me")
    made = await history.ask("POST", "/release_task", json={"model": "acestep-tiny-random", "prompt": "mine"})
    async with at(f"record/{made['task_id']}", key=key) as (page, _):
        button = page.get_by_role("button", name="Run again", exact=True)
        await expect(button).to_have_attribute("aria-disabled", "true")
        assert "tasks:write" in (await button.get_attribute("title") or "")
    assert me["caller"]["scopes"]


async def test_the_first_screen_is_small(at: At) -> None:
    sizes: list[int] = []
    async with at("overview", key="") as (page, watch):
        watch.expected.add(401)
        await expect(page.get_by_role("dialog")).to_be_visible()
        entries = await page.evaluate(
            """performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
            .filter(({ name }) => !name.includes("/v1/")).map((one) => one.decodedBodySize)"""
        )
        sizes.extend(entries)
    assert sum(sizes) <= BYTES
    assert len(sizes) <= REQUESTS


async def test_the_list_works_by_keyboard(at: At) -> None:
    async with at("tasks?state=succeeded") as (page, _):
        await page.locator("[role=grid]").focus()
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowDown")
        active = "document.activeElement.dataset.id"
        second = await page.evaluate(active)
        assert second == await page.locator("[role=row][aria-rowindex='2']").get_attribute("data-id")
        await page.keyboard.press("Space")
        await expect(page.locator(".selection")).to_contain_text("1 selected")
        await page.keyboard.press("m")
        await expect(page.get_by_role("menuitem").first).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("menu")).to_have_count(0)
        await page.locator(f"[role=row][data-id='{second}']").focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/admin#/record/{second}")


async def test_a_dialog_gives_focus_back(at: At) -> None:
    async with at("keys") as (page, _):
        opener = page.get_by_role("button", name="New key")
        await opener.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog").get_by_label("Name")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(opener).to_be_focused()


async def test_filters_stand_in_the_address(at: At) -> None:
    async with at("tasks") as (page, _):
        await page.get_by_label("State").select_option("failed")
        await page.wait_for_url("**#/tasks?state=failed")
        await page.get_by_label("Type").select_option("text2music")
        await page.wait_for_url("**#/tasks?state=failed&task_type=text2music")
        await page.go_back()
        await expect(page.get_by_label("Type")).to_have_value("")
        await page.get_by_role("button", name="Remove Failed").click()
        await page.wait_for_url("**#/tasks")
        await expect(page.locator(".chips")).to_be_empty()


async def test_themes_and_languages_are_chosen_and_kept(at: At) -> None:
    async with at("overview") as (page, _):
        await page.get_by_label("Theme").select_option("dark")
        assert await page.get_attribute("html", "data-theme") == "dark"
    async with at("overview", language="ko") as (page, _):
        await expect(page.get_by_role("heading", level=1)).to_have_text("개요")
