"""Pages of another origin and of no origin use the service from a real browser."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from tests.acceptance.browser.conftest import PAGES, Running

pytestmark = [pytest.mark.browser, pytest.mark.inference]


async def call(browser: Chrome, expression: str, *arguments: Any) -> Any:
    """Await an expression in the page; its error becomes ours."""
    script = f"""
        const done = arguments[arguments.length - 1];
        const given = [...arguments].slice(0, -1);
        const run = async () => ({expression})(...given);
        run().then((value) => done([value, null]), (error) => done([null, String(error)]));
    """
    value, error = await asyncio.to_thread(browser.execute_async_script, script, *arguments)
    assert error is None, error
    return value


@pytest.fixture(params=["another origin", "a file"])
def page(request: pytest.FixtureRequest, browser: Chrome, other_origin: str) -> None:
    """Open the test page, over HTTP or from the disk."""
    file = Path(PAGES / "player.html").as_uri()
    browser.get(f"{other_origin}/player.html" if request.param == "another origin" else file)
    browser.get_log("browser")


@pytest.mark.usefixtures("page")
async def test_a_foreign_page_submits_polls_plays_and_seeks(browser: Chrome, running: Running) -> None:
    clip = await call(browser, "makeClip", running.url, running.key)
    assert clip["status"] == 200
    assert clip["requestId"]
    for way in running.ways_to_play:
        played = await call(browser, "playFromTheMiddle", clip["url"], running.key, way)
        assert played["duration"] == pytest.approx(12, abs=0.1)
        assert 8.2 <= played["position"] < 12
    part = await call(browser, "fetchPart", clip["url"], running.key)
    assert (part["status"], part["size"]) == (206, 100)
    assert part["range"].startswith("bytes 0-99/")
    assert part["etag"]
    errors = [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    assert errors == []


@pytest.mark.usefixtures("page")
async def test_a_foreign_page_can_read_a_refusal(browser: Chrome, running: Running) -> None:
    wish = {"task_type": "dance"} if running.mode == "open" else {}
    refused = await call(browser, "post", running.url, "wrong-key", "/release_task", wish)
    assert refused["status"] == (400 if running.mode == "open" else 401)
    assert refused["answer"]["error"] == refused["answer"]["detail"] != ""
