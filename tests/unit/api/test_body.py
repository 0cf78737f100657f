import asyncio
from typing import Any

import pytest
from litestar.types import HTTPReceiveMessage, Message

from app.api.config import HttpConfig
from app.api.routes import create_app
from tests.unit.api.fakes import TEAM, Client, Connect, FakeServices


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"],
)
async def test_json_types(client: Client, fakes: FakeServices, content_type: str) -> None:
    headers = {"content-type": content_type}
    response = await client.post("/release_task", content=b'{"prompt":"x"}', headers=headers)
    assert response.status_code == 200
    submission = fakes.submitted[0][1]
    assert submission.params["prompt"] == "x"
    assert submission.content_type == content_type.split(";")[0].lower()


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/octet-stream"])
async def test_json_is_recognised_by_its_first_character(
    client: Client, fakes: FakeServices, content_type: str | None
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    response = await client.post("/release_task", content=b'  {"prompt":"x"}', headers=headers)
    assert response.status_code == 200
    assert fakes.submitted[0][1].content_type == (content_type or "application/json")
    array = await client.post("/release_task", content=b"[1]", headers=headers)
    assert array.status_code == 400


@pytest.mark.parametrize("content", [b"", b"prompt", b"<xml/>"])
async def test_other_content_is_415(client: Client, content: bytes) -> None:
    response = await client.post("/release_task", content=content, headers={"content-type": "text/plain"})
    assert (response.status_code, response.json()["code"]) == (415, 415)


async def test_a_byte_order_mark_is_ignored(client: Client) -> None:
    headers = {"content-type": "application/json"}
    assert (await client.post("/release_task", content=b"\xef\xbb\xbf{}", headers=headers)).status_code == 200


async def test_an_announced_size_above_the_limit_is_413(connect: Connect) -> None:
    async with connect(max_body_bytes=100) as client:
        response = await client.post("/release_task", json={"prompt": "x" * 100})
        fits = await client.post("/release_task", content=b'{"a":"' + b"x" * 92 + b'"}')
    assert (response.status_code, response.json()["error"]) == (413, "body is larger than 100 bytes")
    assert fits.status_code == 200


async def test_an_unannounced_size_is_counted_while_reading(fakes: FakeServices) -> None:
    app = create_app(fakes.services(), HttpConfig(default_team_id=TEAM, max_body_bytes=100))
    received = 0
    sent: list[Message] = []

    async def receive() -> HTTPReceiveMessage:
        nonlocal received
        received += 1
        return {"type": "http.request", "body": b" " * 10, "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http",
        "method": "POST",
        "path": "/release_task",
        "headers": [],
        "query_string": b"",
    }
    await app(scope, receive, send)
    assert sent[0]["type"] == "http.response.start"
    assert sent[0]["status"] == 413
    assert received == 11
    assert fakes.submitted == []


async def test_a_sender_who_stops_is_given_up(fakes: FakeServices, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.body.IDLE_S", 0.05)
    app = create_app(fakes.services(), HttpConfig(default_team_id=TEAM))
    sent: list[Message] = []

    async def receive() -> HTTPReceiveMessage:
        if not fakes.failures:
            fakes.failures.append(RuntimeError("not reached"))
            return {"type": "http.request", "body": b"{", "more_body": True}
        await asyncio.sleep(30)
        raise AssertionError("waited for too long")

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"transfer-encoding", b"chunked")]
    scope: Any = {
        "type": "http",
        "method": "POST",
        "path": "/release_task",
        "headers": headers,
        "query_string": b"",
    }
    await app(scope, receive, send)
    assert sent[0]["type"] == "http.response.start"
    assert sent[0]["status"] == 400
    assert (b"connection", b"close") in sent[0]["headers"]
    assert sent[1]["type"] == "http.response.body"
    assert b"no more of the body came for 0.05 seconds" in sent[1]["body"]


async def test_a_deep_body_is_400(client: Client) -> None:
    body = b'{"a":' + b"[" * 64 + b"]" * 64 + b"}"
    response = await client.post("/release_task", content=body)
    assert (response.status_code, response.json()["error"]) == (400, "JSON is nested deeper than 64 levels")


async def test_a_carrier_cannot_smuggle_what_the_body_may_not_hold(
    client: Client, fakes: FakeServices
) -> None:
    response = await client.post("/release_task", json={"param_obj": '{"prompt":"a\\u0000b"}'})
    assert response.status_code == 200
    assert fakes.submitted[0][1].params["prompt"] == ""
