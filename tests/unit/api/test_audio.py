from urllib.parse import quote

import pytest

from app.domain.task import TeamId
from tests.unit.api.fakes import Client, Connect, FakeServices

KEY = f"audio/{'0c5e' * 8}.mp3"
URL = f"/v1/audio?path={quote(KEY, safe='')}"
WHOLE = bytes(range(200))
ETAG = f'"{"ab" * 32}"'


async def test_the_whole_clip_with_its_headers(client: Client) -> None:
    response = await client.get(URL)
    assert (response.status_code, response.content) == (200, WHOLE)
    expected = {
        "content-type": "audio/mpeg",
        "content-length": "200",
        "accept-ranges": "bytes",
        "etag": ETAG,
        "last-modified": "Sun, 01 Mar 2026 12:00:00 GMT",
        "cache-control": "private, max-age=86400, immutable",
        "x-content-type-options": "nosniff",
        "access-control-allow-origin": "*",
    }
    assert expected.items() <= dict(response.headers).items()
    assert "content-disposition" not in response.headers


@pytest.mark.parametrize("path", [KEY, f"/{KEY}", quote(KEY), quote(f"/{KEY}", safe="")])
@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_spellings_of_the_path(client: Client, prefix: str, path: str) -> None:
    assert (await client.get(f"{prefix}/v1/audio?path={path}")).content == WHOLE


async def test_head_has_the_headers_and_no_body(client: Client) -> None:
    whole, head = await client.get(URL), await client.head(URL, headers={"range": "bytes=0-1"})
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "etag", "accept-ranges", "last-modified"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-", 0, 200),
        ("bytes=0-0", 0, 1),
        ("bytes=100-149", 100, 150),
        ("bytes=150-999", 150, 200),
        ("bytes=-20", 180, 200),
        ("bytes=-999", 0, 200),
        ("bytes=199-", 199, 200),
        ("Bytes= 1 - 2 ", 1, 3),
        ("bytes=1-" + "9" * 300, 1, 200),
    ],
)
async def test_one_range(client: Client, wanted: str, start: int, end: int) -> None:
    response = await client.get(URL, headers={"range": wanted})
    assert (response.status_code, response.content) == (206, WHOLE[start:end])
    assert response.headers["content-range"] == f"bytes {start}-{end - 1}/200"
    assert response.headers["content-length"] == str(end - start)


@pytest.mark.parametrize(
    "wanted", ["bytes=0-1,5-6", "bytes=-", "bytes=5-2", "bytes=a-b", "items=0-1", "x", ""]
)
async def test_several_and_unreadable_ranges_give_the_whole_file(client: Client, wanted: str) -> None:
    response = await client.get(URL, headers={"range": wanted})
    assert (response.status_code, response.content) == (200, WHOLE)
    assert "content-range" not in response.headers


@pytest.mark.parametrize("wanted", ["bytes=200-", "bytes=999-1000", "bytes=-0", "bytes=" + "9" * 300 + "-"])
async def test_a_range_behind_the_end_is_416(client: Client, wanted: str) -> None:
    response = await client.get(URL, headers={"range": wanted})
    assert (response.status_code, response.json()["code"]) == (416, 416)
    assert response.headers["content-range"] == "bytes */200"


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        (ETAG, 206),
        ("Sun, 01 Mar 2026 12:00:00 GMT", 206),
        ('"other"', 200),
        (f"W/{ETAG}", 200),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 200),
    ],
)
async def test_if_range(client: Client, if_range: str, status: int) -> None:
    response = await client.get(URL, headers={"range": "bytes=0-9", "if-range": if_range})
    assert response.status_code == status
    assert len(response.content) == (10 if status == 206 else 200)


@pytest.mark.parametrize("verb", ["GET", "HEAD"])
@pytest.mark.parametrize("tags", [ETAG, f'"x", W/{ETAG}', "*"])
async def test_a_known_clip_is_not_sent_again(client: Client, verb: str, tags: str) -> None:
    response = await client.request(verb, URL, headers={"if-none-match": tags, "range": "bytes=0-1"})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == ETAG
    assert response.headers["access-control-allow-origin"] == "*"


async def test_another_tag_gives_the_clip(client: Client) -> None:
    assert (await client.get(URL, headers={"if-none-match": '"x"'})).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        f"audio/{'0' * 32}.mp3",
        "../../etc/passwd",
        "/etc/passwd",
        f"//{KEY}",
        f"{KEY}%00",
        f"{KEY}%0d%0aX:1",
        f"audio/../{KEY}",
        KEY.upper(),
        "%ff%fe",
        "s3://bucket/x",
        "o/1/2/3/0.mp3",
        "%2e%2e%2f",
    ],
)
async def test_unknown_and_malformed_paths_are_the_same_404(client: Client, path: str) -> None:
    response = await client.get(f"/v1/audio?path={path}")
    assert (response.status_code, response.json()["error"]) == (404, "audio file not found")


async def test_a_foreign_clip_is_the_same_404(client: Client, fakes: FakeServices) -> None:
    fakes.audio_team = TeamId(99)
    response = await client.get(URL)
    assert (response.status_code, response.json()["error"]) == (404, "audio file not found")


async def test_no_path_is_400(client: Client) -> None:
    assert (await client.get("/v1/audio")).status_code == 400


async def test_a_lost_object_is_an_error_and_not_half_an_answer(client: Client, fakes: FakeServices) -> None:
    fakes.is_object_lost = True
    assert (await client.get(URL)).status_code == 404


@pytest.mark.parametrize(
    ("name", "shown"),
    [("my song.mp3", "my song.mp3"), ('a"b\r\n/../é', "a_b__"), ("///", "___"), ("..", "audio")],
)
async def test_a_download_name_is_made_harmless(client: Client, name: str, shown: str) -> None:
    response = await client.get("/v1/audio", params={"path": KEY, "download": name})
    disposition = response.headers["content-disposition"]
    assert disposition.startswith(f'attachment; filename="{shown}')
    assert not set(disposition.removeprefix('attachment; filename="').removesuffix('"')) & set('"\r\n/')


async def test_public_audio_needs_no_key_but_other_routes_do(connect: Connect, fakes: FakeServices) -> None:
    async with connect(bootstrap_key="k", public_audio=True) as client:
        assert (await client.get(URL)).content == WHOLE
        assert (await client.head(URL)).status_code == 200
        assert (await client.get("/v1/stats")).status_code == 401
    assert fakes.audio_teams_asked == [None, None]
