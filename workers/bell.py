"""Hears the doorbell: hints, and an arq worker whose only job says "look now"; the slots do the rest.

arq stays in this file and in `app/queue`. Its defaults do not fit (it repeats jobs, keeps results, pickles,
re-queues on signals), so every setting below is chosen; claiming goes on from Postgres while Redis is away.
"""

import asyncio
from contextlib import suppress
from typing import Any, cast

from arq.connections import create_pool
from arq.typing import WorkerCoroutine
from arq.worker import Worker, func
from redis.exceptions import RedisError

from app.queue.doorbell import (
    BELL_FUNCTION,
    BELL_QUEUE,
    HINT_CHANNEL,
    decode_job,
    encode_job,
    redis_settings,
)
from app.queue.listening import hear, keep_listening

POLL_DELAY_S = 0.05
# A Redis that hangs must not keep a worker from stopping.
CLOSE_LIMIT_S = 2.0


class Bell:
    """Wakes idle slots on a ring."""

    def __init__(self, redis_url: str, *, slots: int) -> None:
        self._redis_url = redis_url
        self._settings = redis_settings(redis_url)
        self._slots = slots
        self._idle = 0
        self._rung = asyncio.Event()
        self._worker: Worker | None = None

    async def wait(self, longest_s: float) -> None:
        """Wait for a ring as an idle slot, at most this long."""
        self._idle += 1
        self._allow_picking()
        try:
            async with asyncio.timeout(longest_s):
                await self._rung.wait()
        except TimeoutError:
            pass
        finally:
            self._rung.clear()
            self._idle -= 1
            self._allow_picking()

    async def run_forever(self) -> None:
        """Listen until cancelled, connecting again whenever Redis went away."""
        async with asyncio.TaskGroup() as ears:
            ears.create_task(keep_listening(self._listen, what="doorbell"))
            ears.create_task(keep_listening(self._hear_hints, what="hints"))

    async def _hear_hints(self) -> None:
        """Wake at once, where arq would poll; a hint that is lost costs only that."""
        await hear(self._redis_url, HINT_CHANNEL, lambda _: self._rung.set())

    async def _listen(self) -> None:
        pool = await create_pool(self._settings, job_serializer=encode_job, job_deserializer=decode_job)
        try:
            self._worker = Worker(
                functions=[func(cast(WorkerCoroutine, self._look), name=BELL_FUNCTION)],
                redis_pool=pool,
                queue_name=BELL_QUEUE,
                max_jobs=self._slots,
                poll_delay=POLL_DELAY_S,
                job_timeout=5,
                keep_result=0,
                max_tries=1,
                retry_jobs=False,
                health_check_interval=10,
                allow_abort_jobs=False,
                handle_signals=False,
                log_results=False,
                job_serializer=encode_job,
                job_deserializer=decode_job,
            )
            self._allow_picking()
            await self._worker.async_run()
        finally:
            worker, self._worker = self._worker, None
            with suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(CLOSE_LIMIT_S):
                    await (worker.close() if worker is not None else pool.aclose())
            with suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(CLOSE_LIMIT_S):
                    await pool.connection_pool.disconnect()

    def _allow_picking(self) -> None:
        """Leave pings to other workers while no slot here is idle."""
        if self._worker is not None:
            self._worker.allow_pick_jobs = self._idle > 0

    async def _look(self, _context: dict[Any, Any]) -> None:
        self._rung.set()
