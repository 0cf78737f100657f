"""Rings workers through arq after a commit. Redis keeps nothing of ours: a lost ring costs a second."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.constants import job_key_prefix
from arq.jobs import serialize_job
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

from app.domain.ports import Ping

log = logging.getLogger(__name__)

BELL_QUEUE = "acestep:bell"
BELL_FUNCTION = "look"
NUDGE_CHANNEL = "acestep:nudge"
CHANGE_CHANNEL = "acestep:change"
HINT_CHANNEL = "acestep:hint"
PING_LIFE_MS = 60_000
# More pings than slots wake nobody else: each slot claims until nothing is left.
MOST_PINGS = 64
# A Redis that accepts connections and answers nothing must not hold the sender for ever.
SEND_LIMIT_S = 2.0


def encode_job(value: dict[str, Any]) -> bytes:
    """Serialise arq's job as JSON: who can write to Redis must not be able to run code."""
    return msgspec.json.encode(value, enc_hook=repr)  # arq keeps an expired job with its exception


def decode_job(data: bytes) -> dict[str, Any]:
    """Read arq's job."""
    job: dict[str, Any] = msgspec.json.decode(data)
    return job


def redis_settings(url: str) -> RedisSettings:
    """Settings for a connection that fails at once instead of retrying inside arq."""
    settings = RedisSettings.from_dsn(url)
    settings.conn_retries = 0
    settings.conn_timeout = 2
    return settings


class ArqDoorbell:
    """Coalesces rings: the first leaves at once, those that come while it is on its way share the next."""

    def __init__(self, redis_url: str, *, on_failure: Callable[[], None] = lambda: None) -> None:
        self._settings = redis_settings(redis_url)
        self._on_failure = on_failure
        self._waiting: dict[Ping, None] = {}
        self._nudged: dict[UUID, None] = {}
        self._changed = False
        self._wake = asyncio.Event()
        self._pool: ArqRedis | None = None
        self._task: asyncio.Task[None] | None = None
        self.failures = 0

    def ring(self, pings: Sequence[Ping]) -> None:
        """Send wake-ups soon; never raises and never waits."""
        self._waiting |= dict.fromkeys(pings)
        self._wake.set()

    def nudge(self, worker_id: UUID) -> None:
        """Tell a worker soon to look at its rows; never raises and never waits."""
        self._nudged[worker_id] = None
        self._wake.set()

    def changed(self) -> None:
        """Tell those who follow tasks to look soon; never raises and never waits."""
        self._changed = True
        self._wake.set()

    async def start(self) -> None:
        """Begin to send; a Redis that is away is no error."""
        self._task = asyncio.create_task(self._send_forever(), name="doorbell")

    async def close(self) -> None:
        """Send what still waits, stop sending, and disconnect."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._waiting or self._nudged or self._changed:
            await self._send_waiting()
        await self._disconnect()

    async def _send_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._send_waiting()

    async def _send_waiting(self) -> None:
        pings, self._waiting = list(self._waiting), {}
        workers, self._nudged = list(self._nudged), {}
        self._changed = False
        try:
            async with asyncio.timeout(SEND_LIMIT_S):
                await self._send(pings[:MOST_PINGS], workers)
        except (RedisError, OSError, TimeoutError) as error:
            self._failed()
            log.warning("ring failed", extra={"tasks": len(pings), "reason": type(error).__name__})
            await self._disconnect()
        except Exception:
            self._failed()
            log.exception("ring failed")
            await self._disconnect()

    def _failed(self) -> None:
        self.failures += 1
        self._on_failure()

    async def _send(self, pings: Sequence[Ping], workers: Sequence[UUID]) -> None:
        if self._pool is None:
            self._pool = await create_pool(self._settings)
        # One round trip, whatever waits. The hint comes first: it reaches idle slots at once, and arq, which
        # polls, those that missed it.
        async with self._pool.pipeline(transaction=False) as pipe:
            if pings:
                pipe.publish(HINT_CHANNEL, b"")
            for ping in pings:
                _enqueue(pipe, f"{ping.task_id}:{ping.attempt}")
            for worker_id in workers:
                pipe.publish(NUDGE_CHANNEL, str(worker_id))
            # Whatever there is to send, some row has changed.
            pipe.publish(CHANGE_CHANNEL, b"")
            await pipe.execute()

    async def _disconnect(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            with suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(SEND_LIMIT_S):
                    await pool.aclose()


def _enqueue(pipe: Pipeline, job_id: str) -> None:
    """Write a job as `ArqRedis.enqueue_job` does, without its three round trips; an equal one is replaced."""
    now_ms = time.time_ns() // 1_000_000
    job = serialize_job(BELL_FUNCTION, (), {}, None, now_ms, serializer=encode_job)
    pipe.psetex(job_key_prefix + job_id, PING_LIFE_MS, job)
    pipe.zadd(BELL_QUEUE, {job_id: now_ms})
