"""A receiver of webhooks on a real socket, with the manners that its path names."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

ENDLESS_BYTES = 50_000_000
PROMPT = {
    "ok": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nthanks",
    "redirect": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /ok\r\n\r\n",
    "nonsense": b"220 smtp ready\r\n",
    "drop": b"",
}


@dataclass(frozen=True)
class Heard:
    """One request."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content


@dataclass
class Receiver:
    """Hears POSTs; `/ok` takes them, `/<status>` answers so, other words do what they say."""

    port: int = 0
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0
    sent_bytes: int = 0

    def url(self, path: str = "/ok", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.rstrip().split("\r\n")
            headers = dict(line.lower().split(": ", 1) if ": " in line else (line, "") for line in lines)
            exact = dict(line.split(": ", 1) for line in lines)
            body = await reader.readexactly(int(headers["content-length"]))
            target = first.split(" ")[1]
            self.heard.append(Heard(target, {name.lower(): value for name, value in exact.items()}, body))
            await self._answer(target.split("?")[0].strip("/"), reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, manner: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if manner in PROMPT:
            writer.write(PROMPT[manner])
        elif manner == "late-body":
            writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\nto be")
            await writer.drain()
            await reader.read()
        elif manner == "hang":
            await reader.read()  # until the other side gives up
        elif manner == "slow-header":
            writer.write(b"HTTP/1.1 200 OK\r\n")
            for number in range(600):
                writer.write(f"X-{number}: 1\r\n".encode())
                await writer.drain()
                await asyncio.sleep(0.1)
        elif manner == "endless":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while self.sent_bytes < ENDLESS_BYTES:
                writer.write(b"\x07a\x00b" * 16_000)
                self.sent_bytes += 64_000
                await writer.drain()
        else:
            writer.write(f"HTTP/1.1 {manner} Status\r\nContent-Length: 2\r\n\r\nno".encode())


@asynccontextmanager
async def a_receiver(*, ssl_context: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a port of this machine."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=ssl_context)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
