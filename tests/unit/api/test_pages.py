"""The page at /docs: no key, a strict policy, and nothing from elsewhere."""

import re
from pathlib import Path

import pytest

from tests.unit.api.fakes import Client, Connect

WEB = Path(__file__).resolve().parents[3] / "app" / "web"


@pytest.mark.parametrize("path", ["/docs", "/api/docs"])
async def test_the_page_needs_no_key_and_carries_its_policy(connect: Connect, path: str) -> None:
    async with connect(bootstrap_key="boss") as client:
        response = await client.get(path)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"


async def test_every_file_that_the_page_names_is_sent(client: Client) -> None:
    page = (await client.get("/docs")).text
    names = re.findall(r'(?:src|href)="(web/[^"]+)"', page)
    assert len(names) >= 3
    for name in names:
        response = await client.get(f"/{name}")
        assert response.status_code == 200
        assert "default-src 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["docs.html", "other.js", "..%2fmain.py", "%2e%2e%2fmain.py", "docs.js%00"])
async def test_no_other_file_is_sent(client: Client, name: str) -> None:
    assert (await client.get(f"/web/{name}")).status_code == 404


async def test_an_unchanged_file_is_not_sent_again(client: Client) -> None:
    first = await client.get("/web/docs.js")
    again = await client.get("/web/docs.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_nothing_comes_from_elsewhere_and_nothing_is_inline() -> None:
    for file in WEB.iterdir():
        text = file.read_text()
        assert not re.search(r"https?://(?!www\.w3\.org/)", text), file
        assert "innerHTML" not in text, file
    page = (WEB / "docs.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)
