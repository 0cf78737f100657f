"""The pages: no key, a strict policy, names from a list, and nothing from elsewhere."""

import json
import re
from pathlib import Path

import pytest

from app.api.pages import allowed
from tests.unit.api.fakes import Client, Connect

WEB = Path(__file__).resolve().parents[3] / "app" / "web"


@pytest.mark.parametrize("path", ["/docs", "/api/docs", "/studio", "/admin", "/api/studio", "/api/admin"])
async def test_the_page_needs_no_key_and_carries_its_policy(connect: Connect, path: str) -> None:
    async with connect(bootstrap_key="boss") as client:
        response = await client.get(path)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/docs", "/studio", "/admin"])
async def test_every_file_that_the_page_names_is_sent(client: Client, path: str) -> None:
    page = (await client.get(path)).text
    names = re.findall(r'(?:src|href)="(web/[^"]+)"', page)
    assert len(names) >= 3
    for name in names:
        response = await client.get(f"/{name}")
        assert response.status_code == 200
        assert "default-src 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["docs.html", "other.js", "..%2fmain.py", "%2e%2e%2fmain.py", "docs.js%00"])
async def test_no_other_file_is_sent(client: Client, name: str) -> None:
    assert (await client.get(f"/web/{name}")).status_code == 404


async def test_every_file_of_the_pages_is_sent_and_no_other(client: Client) -> None:
    files = {
        str(file.relative_to(WEB)) for file in WEB.rglob("*") if file.is_file() and file.suffix != ".html"
    }
    assert set(allowed()) == files
    for name in ("lib/api.js", "i18n/ko/common.json", "css/tokens.css", "icons.svg"):
        assert (await client.get(f"/web/{name}")).status_code == 200
    for name in ("lib", "lib/", "lib/../docs.html", "lib/api.js/x", "admin.html"):
        assert (await client.get(f"/web/{name}")).status_code == 404


async def test_only_studio_may_talk_to_another_address(client: Client) -> None:
    policies = {
        path: (await client.get(path)).headers["content-security-policy"] for path in ("/studio", "/admin")
    }
    assert "connect-src 'self';" in policies["/admin"]
    assert "connect-src 'self' http: https:;" in policies["/studio"]


async def test_an_unchanged_file_is_not_sent_again(client: Client) -> None:
    first = await client.get("/web/docs.js")
    again = await client.get("/web/docs.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_nothing_comes_from_elsewhere_and_nothing_is_inline() -> None:
    for file in filter(Path.is_file, WEB.rglob("*")):
        text = file.read_text()
        assert not re.search(r"https?://(?!www\.w3\.org/)", text), file
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), file
    for page in WEB.glob("*.html"):
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page.read_text()), page


@pytest.mark.parametrize("section", sorted(path.name for path in (WEB / "i18n" / "en").iterdir()))
def test_every_language_has_the_same_texts_with_the_same_places(section: str) -> None:
    texts = {tag: json.loads((WEB / "i18n" / tag / section).read_text()) for tag in ("en", "ko", "it")}
    # Korean has one form for all counts, so `.one` may be missing there.
    keys = {tag: {key for key in found if not key.endswith(".one")} for tag, found in texts.items()}
    assert keys["en"] == keys["ko"] == keys["it"]
    for key in keys["en"]:
        places = [set(re.findall(r"{\w+}", texts[tag][key])) for tag in texts]
        assert places[0] == places[1] == places[2], key


def test_modules_stay_small() -> None:
    long = {file.name: lines for file in WEB.rglob("*.js") if (lines := file.read_text().count("\n")) > 250}
    assert long == {}
