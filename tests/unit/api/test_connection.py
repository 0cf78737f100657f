"""Connections as the API opens them, spoken to byte by byte."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from app.api import connection
from app.api.config import HttpConfig
from app.api.routes import create_app
from tests.unit.api.fakes import PEPPER, TEAM, FakeServices

Speak = Callable[..., Awaitable[bytes]]
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
SUBMIT = b"POST /release_task HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture
async def speak(fakes: FakeServices, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Speak]:
    """Send parts with a pause after each, and return all that comes back until the server hangs up."""
    monkeypatch.setattr(connection, "HEADER_S", 0.4)
    app = create_app(fakes.services(), HttpConfig(default_team_id=TEAM, key_pepper=PEPPER))
    async with a_server(app) as port:

        async def run(*parts: bytes, pause_s: float = 0.0, limit_s: float = 3.0) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(pause_s)
                async with asyncio.timeout(limit_s):
                    return await reader.read()
            finally:
                writer.close()

        yield run


@asynccontextmanager
async def a_server(app: object) -> AsyncIterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        config = uvicorn.Config(app, http=connection.Connection, lifespan="off", log_config=None)  # type: ignore[arg-type]
        config.timeout_keep_alive = 1
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        yield listening.getsockname()[1]
        server.should_exit = True
        await serving


def refusal(answer: bytes) -> str:
    """The text of an answer that is ours in every part."""
    head, _, content = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    body = json.loads(content)
    assert status == "http/1.1 400 bad request"
    assert headers["content-type"] == "application/json"
    assert int(headers["content-length"]) == len(content)
    assert headers["connection"] == "close"
    assert headers["access-control-allow-origin"] == "*"
    assert len(headers["x-request-id"]) == 32
    assert set(body) == {"data", "code", "error", "detail", "timestamp", "extra"}
    assert (body["data"], body["code"], body["extra"]) == (None, 400, None)
    assert body["error"] == body["detail"]
    return str(body["error"])


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"no http at all\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        SUBMIT + b"Content-Length: -1\r\n\r\n",
        SUBMIT + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        SUBMIT + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    ],
)
async def test_broken_http_gets_an_error_body(speak: Speak, request_bytes: bytes) -> None:
    assert refusal(await speak(request_bytes)) == "Invalid HTTP request received"


async def test_a_header_that_never_ends_is_refused(speak: Speak) -> None:
    answer = await speak(b"GET /health HTTP/1.1\r\n", *[b"X: y\r\n"] * 6, pause_s=0.05)
    assert refusal(answer) == "no complete header came within 0.4 seconds"


async def test_a_connection_without_a_request_is_closed(speak: Speak) -> None:
    assert await speak() == b""
    assert await speak(b"\r\n", b"\r\n", pause_s=0.1) == b""


async def test_a_header_that_is_too_large_is_refused(speak: Speak) -> None:
    answer = await speak(b"GET /health HTTP/1.1\r\nX: ", *[b"y" * 16_384] * 5, pause_s=0.01)
    assert refusal(answer) == "the header is larger than 65536 bytes"


async def test_a_header_may_come_slowly_within_the_time(speak: Speak) -> None:
    parts = [HEALTH[at : at + 12] for at in range(0, len(HEALTH), 12)]
    assert (await speak(*parts, pause_s=0.05)).startswith(b"HTTP/1.1 200 OK")


async def test_the_time_counts_anew_for_each_request_of_a_connection(speak: Speak) -> None:
    answer = await speak(HEALTH, HEALTH, HEALTH[:20], pause_s=0.3)
    first, second, last = answer.split(b"HTTP/1.1 ")[1:]
    assert (first[:3], second[:3]) == (b"200", b"200")
    assert refusal(b"HTTP/1.1 " + last) == "no complete header came within 0.4 seconds"


async def test_a_body_may_take_longer_than_a_header(speak: Speak) -> None:
    head = SUBMIT + b"Connection: close\r\nContent-Length: 16\r\n\r\n"
    answer = await speak(head, *[b"    "] * 3, b"  {}", pause_s=0.2)
    assert answer.startswith(b"HTTP/1.1 200 OK")


async def test_the_rest_of_an_answered_body_may_not_pause(speak: Speak) -> None:
    head = b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    answer = await speak(head, *[b"x" * 10] * 5, pause_s=0.2)
    assert answer.startswith(b"HTTP/1.1 404")
    assert answer.count(b"HTTP/1.1") == 1


async def a_long_answer(scope: Any, receive: Any, send: Any) -> None:
    """32 MB, more than a connection takes without being read."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(500):
        await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def test_a_client_that_does_not_read_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALL_S", 0.2)
    async with a_server(a_long_answer) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(HEALTH)
        await reader.readexactly(100)
        await asyncio.sleep(1)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(500 * 65536), 40)
        writer.close()


async def test_a_client_that_reads_slowly_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALL_S", 5.0)
    async with a_server(a_long_answer) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(HEALTH)
        for _ in range(20):
            await reader.readexactly(200_000)
            await asyncio.sleep(0.01)
        writer.close()
