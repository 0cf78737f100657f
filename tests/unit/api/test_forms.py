"""Content types of `/release_task` and `/query_result` beside JSON."""

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from app.domain.inputs import Role
from app.domain.keys import ALL_SCOPES, make_key
from tests.unit.api.fakes import Client, Connect, FakeServices

URLENCODED = {"content-type": "application/x-www-form-urlencoded"}
BOUNDARY = "limit-of-a-part"
MULTIPART = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
KEY, OTHER_KEY = make_key(), make_key()


def part(name: str | None, content: bytes | str, *, filename: str | None = None, type_: str = "") -> bytes:
    """One part of a multipart body."""
    head = "Content-Disposition: form-data"
    head += "" if name is None else f'; name="{name}"'
    head += "" if filename is None else f'; filename="{filename}"'
    head += f"\r\nContent-Type: {type_}" if type_ else ""
    data = content.encode() if isinstance(content, str) else content
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"


def body_of(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


async def post(client: Client, *parts: bytes, **headers: str) -> httpx.Response:
    return await client.post("/release_task", content=body_of(*parts), headers=MULTIPART | headers)


def text_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


class TestUrlencoded:
    @pytest.mark.parametrize("content_type", [None, "text/plain", "application/octet-stream"])
    async def test_it_is_recognised_by_an_equals_sign(
        self, client: Client, fakes: FakeServices, content_type: str | None
    ) -> None:
        headers = {"content-type": content_type} if content_type else {}
        response = await client.post("/release_task", content=b"prompt=a+b%C3%A9&bpm=null", headers=headers)
        assert response.status_code == 200
        submission = fakes.submitted[0][1]
        assert (submission.params["prompt"], submission.params["bpm"]) == ("a bé", None)
        assert submission.content_type == URLENCODED["content-type"]

    @pytest.mark.parametrize("extra", ["", "; charset=UTF-8", ";charset=utf8"])
    async def test_the_first_value_of_a_repeated_field_wins(
        self, client: Client, fakes: FakeServices, extra: str
    ) -> None:
        headers = {"content-type": URLENCODED["content-type"] + extra}
        content = b"prompt=one&prompt=two&lyrics=&lyrics=la&batch_size=3&thinking=false"
        assert (await client.post("/release_task", content=content, headers=headers)).status_code == 200
        params = fakes.submitted[0][1].params
        assert (params["prompt"], params["lyrics"], params["batch_size"]) == ("one", "", 3)

    async def test_an_empty_form_is_a_task_with_all_defaults(self, client: Client) -> None:
        assert (await client.post("/release_task", content=b"", headers=URLENCODED)).status_code == 200

    async def test_a_charset_is_honoured(self, client: Client, fakes: FakeServices) -> None:
        headers = {"content-type": URLENCODED["content-type"] + "; charset=iso-8859-1"}
        await client.post("/release_task", content=b"prompt=caf%E9", headers=headers)
        assert fakes.submitted[0][1].params["prompt"] == "café"

    @pytest.mark.parametrize("charset", ["punycode", "zip", "unicode_escape", "nonsense", "idna"])
    async def test_other_codecs_are_refused(self, client: Client, charset: str) -> None:
        headers = {"content-type": f"{URLENCODED['content-type']}; charset={charset}"}
        response = await client.post("/release_task", content=b"prompt=x", headers=headers)
        assert text_of(response) == (400, "the charset of the form is not supported; send utf-8")

    @pytest.mark.parametrize("content", [b"prompt=%FF", b"prompt=\xff"])
    async def test_broken_text_is_400(self, client: Client, content: bytes) -> None:
        response = await client.post("/release_task", content=content, headers=URLENCODED)
        assert text_of(response) == (400, "malformed form body")

    @pytest.mark.parametrize("content", [b"prompt=a%00b", b"a%00b=1"])
    async def test_a_zero_character_is_400_as_in_json(self, client: Client, content: bytes) -> None:
        response = await client.post("/release_task", content=content, headers=URLENCODED)
        assert text_of(response) == (400, "text must not contain the character U+0000")

    @pytest.mark.parametrize(
        "text", ["é" * 50_000, "x" * 65_535 + "é", "x" * 65_534 + "é", "100 % & +1 = %2"]
    )
    async def test_long_and_odd_texts_survive(self, client: Client, fakes: FakeServices, text: str) -> None:
        content = urlencode({"audio_codes": "x", "metas": text})
        await client.post("/release_task", content=content, headers=URLENCODED)
        assert fakes.submitted[0][1].request["metas"] == text

    async def test_escapes_that_are_none_stay(self, client: Client, fakes: FakeServices) -> None:
        await client.post("/release_task", content=b"prompt=50%+off%zz%&&x", headers=URLENCODED)
        assert fakes.submitted[0][1].request == {"prompt": "50% off%zz%", "x": ""}

    async def test_size_and_number_of_fields_are_limited(self, connect: Connect) -> None:
        async with connect(max_body_bytes=1000, max_form_parts=5) as client:
            many = await client.post("/release_task", content=b"a=&" * 5 + b"b=", headers=URLENCODED)
            fits = await client.post("/release_task", content=b"a=&" * 4 + b"b=", headers=URLENCODED)
            large = await client.post("/release_task", content=b"a=" + b"x" * 1000, headers=URLENCODED)
        assert text_of(many) == (400, "the form has more than 5 fields")
        assert fits.status_code == 200
        assert large.status_code == 413

    async def test_ids_come_as_text_with_a_json_list(self, client: Client, fakes: FakeServices) -> None:
        task_id = str(fakes.add_task())
        for request in (
            {"data": {"task_id_list": f'["{task_id}"]'}},
            {"files": {"task_id_list": (None, f'["{task_id}"]')}},
        ):
            response = await client.post("/query_result", **request)
            assert [entry["task_id"] for entry in response.json()["data"]] == [task_id]
            assert response.json()["data"][0]["state"] == "queued"


class TestMultipart:
    async def test_fields_without_files(self, client: Client, fakes: FakeServices) -> None:
        response = await post(
            client, part("prompt", "one"), part("prompt", "two"), part("bpm", "null"), part("thinking", "0")
        )
        assert response.status_code == 200
        submission = fakes.submitted[0][1]
        assert (submission.params["prompt"], submission.params["bpm"]) == ("one", None)
        assert submission.content_type == "multipart/form-data"
        assert submission.request == {"prompt": "one", "bpm": "null", "thinking": "0"}

    async def test_a_carrier_of_json_text(self, client: Client, fakes: FakeServices) -> None:
        await post(client, part("param_obj", '{"duration": 33.5}'), part("metas", '{"bpm": 99}'))
        params = fakes.submitted[0][1].params
        assert (params["audio_duration"], params["bpm"]) == (33.5, 99)

    @pytest.mark.parametrize(
        ("names", "role", "chosen"),
        [
            (["reference_audio", "ref_audio"], Role.REFERENCE, "ref_audio"),
            (["reference_audio"], Role.REFERENCE, "reference_audio"),
            (["src_audio", "ctx_audio"], Role.SOURCE, "ctx_audio"),
            (["src_audio", "src_audio"], Role.SOURCE, "src_audio"),
        ],
    )
    async def test_file_parts_by_precedence(
        self, client: Client, fakes: FakeServices, names: list[str], role: Role, chosen: str
    ) -> None:
        parts = [part(name, f"{name} {n}", filename="a.wav") for n, name in enumerate(names)]
        assert (await post(client, *parts)).status_code == 200
        assert fakes.received == [{role: f"{chosen} {names.index(chosen)}".encode()}]
        assert "ref_audio" not in fakes.submitted[0][1].request

    async def test_both_roles_with_hash_and_size(self, client: Client, fakes: FakeServices) -> None:
        content = bytes(range(256)) * 10_000
        await post(client, part("src_audio", content, filename="a"), part("ref_audio", b"r", filename="b"))
        assert fakes.received[0] == {Role.REFERENCE: b"r", Role.SOURCE: content}
        source = next(file for file in fakes.received_files if file.size_bytes > 1)
        assert (source.size_bytes, source.sha256) == (len(content), hashlib.sha256(content).hexdigest())

    async def test_what_is_no_file_is_ignored(self, client: Client, fakes: FakeServices) -> None:
        await post(
            client,
            part("ref_audio", "a text of this name"),
            part("src_audio", "", filename=""),
            part(None, ""),
            part("", "unnamed"),
            part("other", b"a file that nobody asked for", filename="x.wav"),
            part("prompt", "p"),
        )
        assert fakes.received == [{}]
        assert fakes.submitted[0][1].request == {"prompt": "p"}

    async def test_a_name_outside_ascii(self, client: Client, fakes: FakeServices) -> None:
        head = b"Content-Disposition: form-data; name=\"src_audio\"; filename*=utf-8''%C3%A9.wav"
        raw = b"--" + BOUNDARY.encode() + b"\r\n" + head + b"\r\n\r\nfile\r\n"
        await post(client, raw, part("ref_audio", b"other", filename="\u00e9.wav"))
        assert fakes.received == [{Role.SOURCE: b"file", Role.REFERENCE: b"other"}]

    async def test_the_charset_of_a_part(self, client: Client, fakes: FakeServices) -> None:
        await post(client, part("prompt", b"caf\xe9", type_="text/plain; charset=latin-1"))
        assert fakes.submitted[0][1].params["prompt"] == "café"
        broken = await post(client, part("prompt", b"caf\xe9"))
        assert text_of(broken) == (400, "malformed form body")
        zero = await post(client, part("prompt", b"a\0b"))
        assert text_of(zero) == (400, "text must not contain the character U+0000")

    @pytest.mark.parametrize(
        ("content_type", "content"),
        [
            ("multipart/form-data", body_of(part("prompt", "x"))),
            ("multipart/form-data; boundary=", body_of(part("prompt", "x"))),
            ("multipart/form-data; boundary=" + "b" * 300, b""),
            (MULTIPART["content-type"], b""),
            (MULTIPART["content-type"], b"prompt=x"),
            (MULTIPART["content-type"], body_of(part("prompt", "x"))[:-10]),
            (MULTIPART["content-type"], f"--{BOUNDARY}\r\nno header\r\n\r\nx\r\n".encode()),
            (MULTIPART["content-type"], f"--{BOUNDARY}\r\n{'h' * 10_000}".encode()),
            (MULTIPART["content-type"], b"\xff" * 100_000),
        ],
    )
    async def test_a_broken_form_is_400(
        self, client: Client, fakes: FakeServices, content_type: str, content: bytes
    ) -> None:
        response = await client.post("/release_task", content=content, headers={"content-type": content_type})
        assert response.status_code == 400
        assert fakes.submitted == []

    async def test_limits(self, connect: Connect, tmp_path: Path) -> None:
        config: dict[str, Any] = {
            "max_body_bytes": 100_000,
            "max_upload_bytes": 300_000,
            "max_form_bytes": 500_000,
            "max_form_parts": 4,
            "spool_dir": tmp_path,
        }
        async with connect(**config) as client:
            one_file = await post(client, part("src_audio", bytes(300_001), filename="a"))
            unwanted = await post(client, part("other", bytes(500_000), filename="a"))
            both = await post(
                client,
                part("src_audio", bytes(260_000), filename="a"),
                part("ref_audio", bytes(260_000), filename="a"),
            )
            texts = await post(client, *(part(f"t{n}", "x" * 60_000) for n in range(2)))
            parts = await post(client, *(part(f"t{n}", "x") for n in range(5)))
            fits = await post(client, part("src_audio", bytes(300_000), filename="a"))
        assert text_of(one_file) == (413, "a file is larger than 300000 bytes")
        assert text_of(unwanted) == (413, "body is larger than 500000 bytes")
        assert text_of(both) == (413, "body is larger than 500000 bytes")
        assert text_of(texts) == (413, "the text fields are larger than 100000 bytes")
        assert text_of(parts) == (400, "more than 4 parts in the form, or too long a header")
        assert fits.status_code == 200
        assert list(tmp_path.iterdir()) == [], "nothing is left, whatever came out"

    async def test_files_are_gone_after_the_answer(
        self, connect: Connect, fakes: FakeServices, tmp_path: Path
    ) -> None:
        fakes.failures = [RuntimeError("broken")]
        async with connect(spool_dir=tmp_path) as client:
            for status in (500, 200):
                response = await post(client, part("src_audio", bytes(2_000_000), filename="a"))
                assert response.status_code == status
                assert list(tmp_path.iterdir()) == []
        assert fakes.received_files[0].size_bytes == 2_000_000


class TestCallerOfAForm:
    """With keys: files of nobody are not stored, and not even read for long."""

    @pytest.fixture(autouse=True)
    def _closed(self, fakes: FakeServices) -> None:
        fakes.add_key(KEY, scopes=ALL_SCOPES)

    @pytest.fixture
    def config(self, tmp_path: Path) -> dict[str, Any]:
        return {"max_body_bytes": 200_000, "spool_dir": tmp_path / "spool"}

    async def test_a_known_header_opens_the_large_limit(
        self, connect: Connect, config: dict[str, Any]
    ) -> None:
        async with connect(**config) as client:
            response = await post(
                client, part("src_audio", bytes(1_000_000), filename="a"), authorization=f"Bearer {KEY}"
            )
        assert response.status_code == 200

    @pytest.mark.parametrize("header", ["", OTHER_KEY])
    async def test_ai_token_opens_it_from_its_place_on(
        self, connect: Connect, config: dict[str, Any], fakes: FakeServices, header: str
    ) -> None:
        file = part("src_audio", bytes(1_000_000), filename="a")
        async with connect(**config) as client:
            before = await post(client, part("ai_token", KEY), file, authorization=header)
            after = await post(client, file, part("ai_token", KEY), authorization=header)
            assert not config["spool_dir"].exists() or not list(config["spool_dir"].iterdir())
            small = part("src_audio", bytes(100_000), filename="a")
            held = await post(client, small, part("ai_token", KEY), authorization=header)
        assert before.status_code == 200
        assert after.status_code == 413
        assert after.json()["error"].endswith("send the key in the Authorization header or before the files")
        assert held.status_code == 200
        assert [file.size_bytes for file in fakes.received_files] == [1_000_000, 100_000]
        assert all("ai_token" not in submission.request for _, submission, _, _ in fakes.submitted)

    @pytest.mark.parametrize(
        ("tokens", "header", "answer"),
        [
            ([OTHER_KEY], KEY, (401, "invalid ai_token")),
            ([OTHER_KEY, KEY], KEY, (401, "invalid ai_token")),
            ([], OTHER_KEY, (401, "invalid API key")),
            ([], "", (401, "missing ai_token or Authorization header")),
            ([""], OTHER_KEY, (401, "invalid API key")),
        ],
    )
    async def test_nobody_stores_anything(
        self,
        connect: Connect,
        config: dict[str, Any],
        fakes: FakeServices,
        tokens: list[str],
        header: str,
        answer: tuple[int, str],
    ) -> None:
        async with connect(**config) as client:
            parts = [part("ai_token", token) for token in tokens]
            file = part("src_audio", bytes(100_000), filename="a")
            response = await post(client, *parts, file, authorization=header)
        assert text_of(response) == answer
        assert fakes.submitted == []
        assert not config["spool_dir"].exists()

    @pytest.mark.parametrize(("token", "header"), [("", KEY), (KEY, OTHER_KEY), (KEY, "")])
    async def test_the_token_decides_and_an_empty_one_leaves_it_to_the_header(
        self, connect: Connect, config: dict[str, Any], token: str, header: str
    ) -> None:
        async with connect(**config) as client:
            file = part("src_audio", bytes(1_000_000), filename="a")
            response = await post(client, part("ai_token", token), file, authorization=header)
        assert response.status_code == 200
