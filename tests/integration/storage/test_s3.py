import asyncio
import hashlib
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.domain.errors import ConflictError, StorageUnavailableError
from app.storage.choose import choose_store
from app.storage.s3 import S3Store

KEY = "o/1/5f0c/1/0.mp3"


@asynccontextmanager
async def endpoint(answer: Callable[[StreamReader, StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """A server on a free port that treats every connection like this."""

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def a_store(address: str) -> S3Store:
    return S3Store(
        endpoint=address,
        bucket="clips",
        access_key="key",
        secret_key="secret",
        region="us-east-1",
        secure=False,
        connect_timeout_s=0.3,
        read_timeout_s=0.3,
    )


async def assert_unavailable_soon(store: S3Store, folder: Path) -> None:
    path = folder / "clip"
    path.write_bytes(b"sound")
    began = time.monotonic()
    with pytest.raises(StorageUnavailableError) as caught:
        await store.put_file(KEY, path, sha256=hashlib.sha256(b"sound").hexdigest(), mime="audio/mpeg")
    assert "secret" not in str(caught.value)
    with pytest.raises(StorageUnavailableError):
        _ = [chunk async for chunk in store.open_range(KEY, 0, 5)]
    with pytest.raises(StorageUnavailableError):
        await store.stat(KEY)
    with pytest.raises(StorageUnavailableError):
        await store.delete(KEY)
    with pytest.raises(StorageUnavailableError):
        _ = [found async for found in store.list("")]
    with pytest.raises(StorageUnavailableError):
        await store.health()
    assert time.monotonic() - began < 6 * 2


async def test_refused_connection_is_unavailable(tmp_path: Path) -> None:
    async def hang_up(reader: StreamReader, writer: StreamWriter) -> None:
        pass

    async with endpoint(hang_up) as address:
        pass  # closed again: nobody listens there now
    await assert_unavailable_soon(a_store(address), tmp_path)


async def test_silent_endpoint_is_unavailable_after_the_timeout(tmp_path: Path) -> None:
    async def say_nothing(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read(-1)

    async with endpoint(say_nothing) as address:
        await assert_unavailable_soon(a_store(address), tmp_path)


async def test_server_errors_and_pages_of_a_proxy_are_unavailable(tmp_path: Path) -> None:
    for status, kind in (("503 Slow Down", "application/xml"), ("502 Bad Gateway", "text/html")):

        async def fail(reader: StreamReader, writer: StreamWriter, head: str = f"{status}|{kind}") -> None:
            await reader.readuntil(b"\r\n\r\n")
            status_line, content_type = head.split("|")
            writer.write(
                f"HTTP/1.1 {status_line}\r\nContent-Type: {content_type}\r\nContent-Length: 6\r\n"
                "Connection: close\r\n\r\n<oops>".encode()
            )
            await writer.drain()

        async with endpoint(fail) as address:
            await assert_unavailable_soon(a_store(address), tmp_path)


async def test_body_that_is_cut_midway_is_an_error_not_a_short_object() -> None:
    async def cut(reader: StreamReader, writer: StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if request.startswith(b"HEAD"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1000000\r\n\r\n" + bytes(500_000))
        await writer.drain()

    async with endpoint(cut) as address:
        stream = a_store(address).open_range(KEY, 0, 1_000_000)
        with pytest.raises(StorageUnavailableError):
            _ = [chunk async for chunk in stream]


async def test_hash_and_type_are_kept_with_the_object(s3_values: dict[str, Any], tmp_path: Path) -> None:
    store = choose_store(folder=tmp_path, bucket=f"acestep-test-{uuid4().hex}", **s3_values)
    for content in (b"sound", bytes(9_000_000)):  # one part and two
        path = tmp_path / "clip"
        path.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        key = f"o/{len(content)}.mp3"
        await store.put_file(key, path, sha256=sha256, mime="audio/mpeg")
        found = await store.stat(key)
        assert found is not None
        assert found.sha256 == sha256


async def test_object_of_the_same_size_but_other_content_is_not_taken_for_ours(
    s3_values: dict[str, Any], tmp_path: Path
) -> None:
    store = choose_store(folder=tmp_path, bucket=f"acestep-test-{uuid4().hex}", **s3_values)
    path = tmp_path / "clip"
    for content, is_first in ((b"first", True), (b"other", False)):
        path.write_bytes(content)
        putting = store.put_file(KEY, path, sha256=hashlib.sha256(content).hexdigest(), mime="audio/mpeg")
        if is_first:
            await putting
        else:
            with pytest.raises(ConflictError):
                await putting
