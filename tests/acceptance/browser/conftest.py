"""A real Chromium, pages of another origin, and the service they call."""

import functools
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service as Driver

from tests.browser import FLAGS, chromium
from tests.conftest import Servers, fresh_database
from tests.processes import STUB, Service, a_service

PAGES = Path(__file__).parent / "pages"
KEY = "browser-key"


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Chromium with an empty profile, and its console recorded."""
    program, driver = chromium(), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("Chromium and chromedriver are not installed (Debian: chromium, chromium-driver)")
    options = ChromeOptions()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    chrome = Chrome(options=options, service=Driver(driver))
    chrome.set_script_timeout(30)
    yield chrome
    chrome.quit()


@pytest.fixture(scope="session")
def other_origin() -> Iterator[str]:
    """Our test pages on a port of their own, which makes another origin."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(PAGES)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True)
class Running:
    """A service for browsers: how it is closed, and the key that opens it."""

    mode: str
    service: Service

    @property
    def url(self) -> str:
        return self.service.url

    @property
    def key(self) -> str:
        return "" if self.mode == "open" else KEY

    @property
    def ways_to_play(self) -> list[str]:
        """An `<audio>` element cannot send a key, so audio behind one is fetched first."""
        return ["fetched"] if self.mode == "closed" else ["fetched", "linked"]


ENVIRONMENTS = {
    "open": {"ACESTEP_API_KEY": ""},
    "closed": {"ACESTEP_API_KEY": KEY},
    "public audio": {"ACESTEP_API_KEY": KEY, "ACESTEP_PUBLIC_AUDIO": "true"},
}


@pytest_asyncio.fixture(scope="session", params=ENVIRONMENTS)
async def running(
    request: pytest.FixtureRequest, browser: Chrome, open_folder: Path, servers: Servers, template: str
) -> AsyncIterator[Running]:
    """The service without a key, with one, and with one but public audio; the browser comes first."""
    async with (
        fresh_database(servers, template) as database_url,
        a_service(
            open_folder / f"browser-{request.param}",
            database_url=database_url,
            redis_url=servers.redis(),
            ACESTEP_ENGINE=STUB,
            **ENVIRONMENTS[request.param],
        ) as service,
    ):
        await service.start("api")
        await service.start("worker")
        yield Running(request.param, service)
