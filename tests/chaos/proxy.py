"""A TCP proxy of our own that makes the way to a server slow, short, silent or closed."""

import asyncio
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

CHUNK_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to the bytes; without a value nothing does.

    Attributes:
        delay_s: every portion in either direction waits this long.
        bytes_per_s: what each direction of a connection carries.
        cut_after_bytes: from the client to the server, per connection; then it is closed.
        silent: connections are accepted and nothing is passed on any more.
        reset: connections, open and new ones, are reset.
    """

    delay_s: float = 0.0
    bytes_per_s: float | None = None
    cut_after_bytes: int | None = None
    silent: bool = False
    reset: bool = False


NONE = Fault()


class Proxy:
    """Stands before one server; `fault` may change at any time and holds for open connections too.

    Attributes:
        target: host and port where new connections lead to.
        port: where this proxy listens.
    """

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], tuple[StreamWriter, ...]] = {}
        self._fault = NONE
        self._calm = asyncio.Event()
        self._calm.set()
        self.port = 0

    @property
    def fault(self) -> Fault:
        """What happens now."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._fault = fault
        self._calm.clear() if fault.silent else self._calm.set()
        if fault.reset:
            for writers in self._connections.values():
                for writer in writers:
                    _reset(writer)

    async def start(self) -> None:
        """Listen on a free port of this machine."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def before(self, url: str) -> str:
        """The same URL by way of this proxy."""
        parts = urlsplit(url)
        login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        return urlunsplit(parts._replace(netloc=f"{login}127.0.0.1:{self.port}"))

    async def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = (writer,)
        try:
            if self._fault.reset:
                _reset(writer)
                return
            there, back = await asyncio.open_connection(*self.target)
            self._connections[task] = (writer, back)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, back, is_to_server=True))
                group.create_task(self._carry(there, writer, is_to_server=False))
        except* (OSError, _Cut, asyncio.CancelledError):
            pass
        finally:
            for open_writer in self._connections.pop(task):
                open_writer.close()

    async def _carry(self, reader: StreamReader, writer: StreamWriter, *, is_to_server: bool) -> None:
        carried = 0
        while chunk := await reader.read(CHUNK_BYTES):
            await self._calm.wait()
            fault = self._fault
            pause_s = fault.delay_s + (len(chunk) / fault.bytes_per_s if fault.bytes_per_s else 0.0)
            if pause_s:
                await asyncio.sleep(pause_s)
            if is_to_server and fault.cut_after_bytes is not None:
                chunk = chunk[: max(0, fault.cut_after_bytes - carried)]
            writer.write(chunk)
            await writer.drain()
            carried += len(chunk)
            if is_to_server and fault.cut_after_bytes is not None and carried >= fault.cut_after_bytes:
                raise _Cut
        if writer.can_write_eof():
            with suppress(OSError):
                writer.write_eof()


class _Cut(Exception):
    """The connection has carried what it may."""


def _reset(writer: StreamWriter) -> None:
    """Close with a RST instead of a FIN."""
    handle: socket.socket | None = writer.get_extra_info("socket")
    if handle is not None:
        with suppress(OSError):
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def proxy_before(url: str) -> AsyncIterator[Proxy]:
    """A proxy before the server of a URL, for the length of the block."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = Proxy(parts.hostname, parts.port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
