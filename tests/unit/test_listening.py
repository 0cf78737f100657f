"""Whatever ends a listener, it listens again; only a real cancel stops it."""

import asyncio

import pytest

from app.queue.listening import keep_listening


@pytest.mark.parametrize("error", [OSError, TimeoutError, ValueError, asyncio.CancelledError])
async def test_it_listens_again_after(error: type[BaseException]) -> None:
    again = asyncio.Event()
    calls = 0

    async def listen() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise error
        again.set()
        await asyncio.sleep(60)

    listening = asyncio.create_task(keep_listening(listen, what="test"))
    async with asyncio.timeout(5):
        await again.wait()
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
