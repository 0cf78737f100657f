"""The page at /docs in a real browser: it renders without an error and its requests work."""

import asyncio
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from app.client import Client
from tests.acceptance.browser.conftest import Running

pytestmark = [pytest.mark.browser, pytest.mark.inference]


async def until(browser: Chrome, condition: Callable[[Chrome], object]) -> None:
    await asyncio.to_thread(WebDriverWait(browser, 20, poll_frequency=0.1).until, condition)


async def opened(browser: Chrome, running: Running, path: str, operation: str) -> WebElement:
    """Open the page, give the key, and unfold one route."""
    browser.get_log("browser")
    await asyncio.to_thread(browser.get, running.url + path)
    await until(browser, lambda page: page.find_elements(By.ID, "release_task"))
    key = browser.find_element(By.ID, "key")
    key.clear()
    key.send_keys(running.key)
    card = browser.find_element(By.ID, operation)
    card.find_element(By.TAG_NAME, "summary").click()
    return card


async def send(browser: Chrome, card: WebElement) -> str:
    """Press the button; returns the line with the status."""
    card.find_element(By.CLASS_NAME, "send").click()
    status = card.find_element(By.CLASS_NAME, "status")
    await until(browser, lambda _: status.text not in ("", "waiting"))
    return status.text


def assert_quiet(browser: Chrome) -> None:
    assert [line["message"] for line in browser.get_log("browser")] == []


@pytest.mark.parametrize("path", ["/docs", "/api/docs"])
async def test_it_shows_every_route_and_sends_a_request(browser: Chrome, running: Running, path: str) -> None:
    card = await opened(browser, running, path, "create_random_sample")
    shown = [item.text for item in browser.find_elements(By.CSS_SELECTOR, ".operation .path")]
    assert {"/release_task", "/query_result", "/v1/audio", "/health", "/v1/stats"} <= set(shown)
    assert (await send(browser, card)).startswith("200 ")
    assert '"caption"' in card.find_element(By.CLASS_NAME, "answer").text
    assert_quiet(browser)


async def test_it_plays_a_clip(browser: Chrome, running: Running) -> None:
    card = await opened(browser, running, "/docs", "release_task")
    assert (await send(browser, card)).startswith("200 ")
    answer = card.find_element(By.CLASS_NAME, "answer").text
    task_id = answer.split('"task_id": "')[1].split('"')[0]
    file = await asyncio.to_thread(clip_of, running, task_id)
    card = await opened(browser, running, "/docs", "audio")
    card.find_element(By.CSS_SELECTOR, "input[aria-label=path]").send_keys(file)
    assert (await send(browser, card)).startswith("200 ")
    player = card.find_element(By.CLASS_NAME, "player")
    await until(browser, lambda _: (player.get_property("duration") or 0) > 9)
    assert_quiet(browser)


def clip_of(running: Running, task_id: str) -> str:
    """Wait for a task and return the key of its first clip."""
    with Client(running.url, api_key=running.key or None) as client:
        result = client.wait(task_id)
    return parse_qs(urlsplit(result.items[0]["file"]).query)["path"][0]
