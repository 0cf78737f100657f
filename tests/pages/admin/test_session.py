"""A day of an operator: every effect is read back through the API."""

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.pages.admin.conftest import At, History, go, settled
from tests.pages.conftest import KEY
from tests.processes import Service
from tests.receiver import a_receiver
from tests.webhooks import eventually

pytestmark = [pytest.mark.browser, pytest.mark.inference]


async def submit(history: History, **wish: Any) -> str:
    wish = {"audio_duration": 10, "batch_size": 1, "audio_format": "wav", **wish}
    return str((await history.ask("POST", "/release_task", json=wish))["task_id"])


async def ended(history: History, task_id: str, *, state: str = "succeeded") -> dict[str, Any]:
    async def there() -> Any:
        record = await history.ask("GET", f"/v1/tasks/{task_id}")
        return record if record["state"] == state else None

    found = await history.service.until(there, what=f"{task_id} to be {state}")
    assert isinstance(found, dict)
    return found


async def test_a_key_is_asked_for_and_kept_in_this_tab_only(at: At, history: History) -> None:
    async with at("tasks", key="") as (page, watch):
        watch.expected.add(401)
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("missing Authorization header")
        await dialog.get_by_role("textbox", name="API key").fill("wrong-key-of-nobody")
        await dialog.get_by_role("button", name="Use this key").click()
        await expect(page.get_by_role("dialog")).to_contain_text("invalid API key")
        await page.get_by_role("textbox", name="API key").fill(KEY)
        await page.get_by_role("button", name="Use this key").click()
        await settled(page)
        await expect(page.get_by_role("dialog")).to_have_count(0)
        where = "[document.documentElement.outerHTML, location.href, JSON.stringify(localStorage)].join()"
        assert KEY not in await page.evaluate(where)
        assert KEY in await page.evaluate("JSON.stringify(sessionStorage)")


async def test_without_a_key_there_is_a_way_on(at: At) -> None:
    async with at(key="") as (page, watch):
        watch.expected.add(401)
        await page.get_by_role("button", name="Not now").click()
        await page.get_by_role("button", name="Enter a key").click()
        await expect(page.get_by_role("dialog")).to_be_visible()


async def test_a_task_is_found_run_again_and_compared(at: At, history: History, worker: Service) -> None:
    first = await submit(history, prompt="a zither in the fog", seed=7, use_random_seed=False)
    await ended(history, first)
    async with at("tasks") as (page, _):
        await page.get_by_label("Words").fill("zither fog")
        await page.wait_for_url("**#/tasks?q=zither+fog")
        row = page.get_by_role("row").filter(has_text="a zither in the fog")
        await expect(row).to_have_count(1)
        await row.click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Task")
        await page.get_by_role("button", name="Play clip 1").click()
        await expect(page.locator("audio")).to_have_js_property("paused", False)
        await page.get_by_role("button", name="Run again", exact=True).click()
        await page.get_by_role("button", name="Open it").click()
        await page.wait_for_url(lambda url: "record/" in url and first not in url)
        second = page.url.rsplit("/", 1)[1]
        record = await ended(history, second)
        assert (record["parent_id"], record["parent_relation"]) == (first, "rerun")
        await go(page, f"compare/{first}/{second}")
        await expect(page.get_by_text("Same bytes")).to_have_count(1)


async def test_a_running_task_is_followed_and_cancelled(at: At, history: History, worker: Service) -> None:
    task_id = await submit(history, prompt="steps=400 sleep=40")
    await ended(history, task_id, state="running")
    async with at(f"record/{task_id}") as (page, _):
        await page.get_by_role("button", name="Cancel task").click()
        await page.get_by_role("dialog").get_by_role("button", name="Cancel task").click()
        await expect(page.locator(".page-head .state")).to_have_text("Cancelled")
    assert (await ended(history, task_id, state="cancelled"))["finished_at"]


async def test_a_key_is_shown_once(at: At, history: History) -> None:
    async with at("keys") as (page, _):
        await page.get_by_role("button", name="New key").click()
        await page.get_by_role("dialog").get_by_label("Name").fill("for the radio")
        await page.get_by_role("button", name="Create key").click()
        shown = page.get_by_role("dialog").get_by_label("API key")
        key = await shown.input_value()
        assert (await history.ask("GET", "/v1/teams/me", key=key))["caller"]["key_prefix"] == key[:12]
        await page.keyboard.press("Escape")
        await expect(shown).to_be_visible()
        await page.get_by_label("I have stored it").check()
        await page.get_by_role("dialog").get_by_role("button", name="Close").click()
        row = page.get_by_role("row").filter(has_text="for the radio")
        await expect(row).to_contain_text(key[:12])
        assert key not in await page.content()
        await row.get_by_role("button", name="Revoke").click()
        await page.get_by_role("dialog").get_by_role("textbox").fill(key[:12])
        await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        await expect(row).to_contain_text("Revoked")


async def test_a_limit_of_a_team_is_changed(at: At, history: History) -> None:
    async with at("teams") as (page, _):
        await page.get_by_role("button", name="Edit game-audio").click()
        await page.get_by_label("Waiting at most").fill("17")
        await page.get_by_role("button", name="Save").click()
        await expect(page.locator(".toast")).to_contain_text("Waiting at most: 17")
    teams = {team["name"]: team for team in (await history.ask("GET", "/v1/teams"))["items"]}
    assert (teams["game-audio"]["max_queued"], teams["game-audio"]["max_running"]) == (17, None)


async def test_the_queue_is_paused_and_resumed(at: At, history: History) -> None:
    try:
        async with at("overview") as (page, _):
            await page.get_by_role("button", name="Pause queue").click()
            dialog = page.get_by_role("dialog")
            await expect(dialog).to_contain_text("stay waiting")
            await dialog.get_by_role("button", name="Pause queue").click()
            await expect(page.locator("#strips")).to_contain_text("The queue is paused")
            assert (await history.ask("GET", "/v1/admin/status"))["paused"] is True
            await page.locator("#strips").get_by_role("button", name="Resume queue").click()
            await expect(page.locator("#strips")).to_be_empty()
        assert (await history.ask("GET", "/v1/admin/status"))["paused"] is False
        async with at("audit") as (page, _):
            await expect(page.get_by_role("row").nth(1)).to_contain_text("queue.resumed")
    finally:
        await history.ask("POST", "/v1/admin/queue/resume")


async def test_a_delivery_is_sent_once_more(at: At, history: History, worker: Service) -> None:
    me = (await history.ask("GET", "/v1/teams/me"))["id"]
    async with a_receiver() as receiver:
        made = await history.ask("POST", f"/v1/teams/{me}/webhooks", json={"url": receiver.url("/ok")})
        try:
            await ended(history, await submit(history, prompt="told to others"))
            await eventually(lambda: len(receiver.heard) == 1, limit_s=40)
            async with at("webhooks") as (page, _):
                card = page.locator(".card").filter(has_text=made["url"])
                await card.get_by_text("Deliveries").click()
                await expect(card).to_contain_text("HTTP 200")
                await card.get_by_role("button", name="Redeliver").click()
                await eventually(lambda: len(receiver.heard) == 2, limit_s=40)
            ids = {heard.headers["x-acestep-event-id"] for heard in receiver.heard}
            assert len(ids) == 1
        finally:
            await history.ask("DELETE", f"/v1/teams/{me}/webhooks/{made['id']}")


async def saved(page: Page, name: str) -> str:
    await page.get_by_role("button", name="Export").click()
    async with page.expect_download() as download:
        await page.get_by_role("menuitem", name=name).click()
    return await asyncio.to_thread(Path(await (await download.value).path()).read_text)


async def test_an_export_holds_what_the_filters_show(at: At, history: History) -> None:
    listed = await history.ask("GET", "/v1/tasks", params={"state": "failed", "limit": 200})
    ids = {item["id"] for item in listed["items"]}
    async with at("tasks?state=failed") as (page, _):
        await expect(page.locator(".chips")).to_contain_text("Failed")
        await expect(page.locator(".list-state")).to_contain_text(f"{len(ids)} loaded")
        rows = [json.loads(line) for line in (await saved(page, "NDJSON")).splitlines()]
        cells = list(csv.DictReader(io.StringIO(await saved(page, "CSV"))))
    assert {row["id"] for row in rows} == {row["id"] for row in cells} == ids


async def test_many_tasks_are_cancelled_at_once(at: At, history: History) -> None:
    await history.ask("POST", "/v1/admin/queue/pause")
    try:
        waiting = [await submit(history, prompt=f"never begun {n}") for n in range(3)]
        await cancel_all(at)
    finally:
        await history.ask("POST", "/v1/admin/queue/resume")
    for task_id in waiting:
        assert (await history.ask("GET", f"/v1/tasks/{task_id}"))["state"] == "cancelled"


async def cancel_all(at: At) -> None:
    async with at("tasks?state=queued&q=begun") as (page, _):
        for row in await page.locator("[role=row][data-id]").all():
            await row.get_by_role("checkbox").check()
        await page.locator(".selection").get_by_role("button", name="Cancel 3 tasks").click()
        await page.get_by_role("dialog").get_by_role("button", name="Cancel 3 tasks").click()
        await expect(page.get_by_role("dialog")).to_contain_text("3 of 3 done, 0 refused")
        await page.get_by_role("dialog").get_by_role("button", name="Close").click()
