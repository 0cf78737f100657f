"""The proxy does what the fault suite believes it does."""

import asyncio
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.chaos.proxy import NONE, Fault, Proxy, proxy_before

pytestmark = pytest.mark.chaos


class Echo:
    """A server that sends back what it got, and remembers it."""

    def __init__(self) -> None:
        self.got = b""

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        while chunk := await reader.read(65536):
            self.got += chunk
            writer.write(chunk)
        writer.close()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest_asyncio.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with proxy_before(f"echo://127.0.0.1:{server.sockets[0].getsockname()[1]}") as proxy:
        yield proxy
    server.close()


async def say(proxy: Proxy, content: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write(content)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(-1), 20)
    finally:
        writer.close()


async def test_without_a_fault_bytes_pass(proxy: Proxy) -> None:
    content = bytes(range(256)) * 2000
    assert await say(proxy, content) == content


async def test_it_is_as_slow_as_told(proxy: Proxy) -> None:
    proxy.fault = Fault(delay_s=0.1, bytes_per_s=10_000)
    began = time.monotonic()
    assert await say(proxy, bytes(1000)) == bytes(1000)
    assert time.monotonic() - began >= 0.4


async def test_a_connection_is_cut_after_so_many_bytes(proxy: Proxy, echo: Echo) -> None:
    proxy.fault = Fault(cut_after_bytes=1500)
    assert len(await say(proxy, bytes(4000))) <= 1500
    assert len(echo.got) <= 1500
    proxy.fault = NONE
    assert await say(proxy, b"again") == b"again"


async def test_a_silent_way_says_nothing_until_it_is_mended(proxy: Proxy, echo: Echo) -> None:
    proxy.fault = Fault(silent=True)
    saying = asyncio.create_task(say(proxy, b"hello"))
    await asyncio.sleep(0.1)
    assert (saying.done(), echo.got) == (False, b"")
    proxy.fault = NONE
    assert await saying == b"hello"


async def test_open_and_new_connections_are_reset(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"here")
    assert await reader.readexactly(4) == b"here"
    proxy.fault = Fault(reset=True)
    with pytest.raises(ConnectionError):
        await reader.readexactly(1)
    writer.close()
    with pytest.raises(ConnectionError):
        await say(proxy, b"hello")


async def test_a_url_leads_through_it(proxy: Proxy) -> None:
    assert proxy.before("postgresql://me:word@10.0.0.1:5432/base") == (
        f"postgresql://me:word@127.0.0.1:{proxy.port}/base"
    )
