"""A ring reaches an idle slot in two ways, and each of them is enough."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from app.domain.ports import Ping
from app.domain.task import TaskId
from app.queue.doorbell import BELL_QUEUE, ArqDoorbell
from workers import bell as bell_module
from workers.bell import Bell

LONG_S = 40.0


@asynccontextmanager
async def a_bell(redis_url: str) -> AsyncIterator[Bell]:
    bell = Bell(redis_url, slots=1)
    listening = asyncio.create_task(bell.run_forever())
    try:
        yield bell
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def wakes(redis_url: str, *, by_arq: bool) -> bool:
    """Ring until an idle slot wakes: the first ring may come before anybody listens."""
    doorbell = ArqDoorbell(redis_url)
    await doorbell.start()
    try:
        async with a_bell(redis_url) as bell:
            idle = asyncio.create_task(bell.wait(LONG_S))
            for _ in range(int(LONG_S / 0.1)):
                doorbell.ring([Ping(TaskId(uuid4()), 0)])
                await asyncio.wait({idle}, timeout=0.1)
                if idle.done():
                    break
            if by_arq:
                await all_heard(redis_url)
            return idle.done() and doorbell.failures == 0
    finally:
        await doorbell.close()


async def all_heard(redis_url: str) -> None:
    """Wait until arq has put every ping away, for its jobs do not end with it."""
    async with Redis.from_url(redis_url) as redis, asyncio.timeout(LONG_S):
        while await redis.zcard(BELL_QUEUE):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.05)


async def never(*_arguments: Any) -> None:
    await asyncio.Event().wait()


async def test_a_hint_wakes_a_slot_without_arq(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bell, "_listen", never)
    assert await wakes(redis_url, by_arq=False)


async def test_arq_wakes_a_slot_that_missed_the_hint(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell_module, "hear", never)
    assert await wakes(redis_url, by_arq=True)
