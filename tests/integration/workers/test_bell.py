"""A ring reaches an idle slot at once, whether or not arq has looked yet."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest

from app.domain.ports import Ping
from app.domain.task import TaskId
from app.queue.doorbell import ArqDoorbell
from workers.bell import Bell

LONG_S = 40.0


async def never(*_arguments: Any) -> None:
    await asyncio.Event().wait()


async def test_a_hint_wakes_a_slot_without_arq(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ring may come before anybody listens, so it is repeated."""
    monkeypatch.setattr(Bell, "_listen", never)
    doorbell, bell = ArqDoorbell(redis_url), Bell(redis_url, slots=1)
    await doorbell.start()
    listening = asyncio.create_task(bell.run_forever())
    idle = asyncio.create_task(bell.wait(2 * LONG_S))
    try:
        async with asyncio.timeout(LONG_S):
            while not idle.done():
                doorbell.ring([Ping(TaskId(uuid4()), 0)])
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(idle), timeout=0.1)
    finally:
        for task in (idle, listening):
            task.cancel()
        await asyncio.gather(idle, listening, return_exceptions=True)
        await doorbell.close()
    assert doorbell.failures == 0
