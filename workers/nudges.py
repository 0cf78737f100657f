"""Hears that a row of this worker has changed, a cancel mostly. A lost nudge costs one heartbeat."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.queue.doorbell import NUDGE_CHANNEL
from workers.listening import keep_listening

READ_TIMEOUT_S = 30.0
# A Redis that hangs must not keep a worker from stopping.
CLOSE_LIMIT_S = 2.0


class Nudges:
    """Calls `on_nudge` whenever this worker is named on the channel."""

    def __init__(self, redis_url: str, *, worker_id: UUID, on_nudge: Callable[[], None]) -> None:
        self._redis_url = redis_url
        self._worker_id = str(worker_id).encode()
        self._on_nudge = on_nudge

    async def run_forever(self) -> None:
        """Listen until cancelled, connecting again whenever Redis went away."""
        await keep_listening(self._listen, what="nudges")

    async def _listen(self) -> None:
        redis = Redis.from_url(self._redis_url, socket_connect_timeout=2.0)
        channel = redis.pubsub(ignore_subscribe_messages=True)
        try:
            await channel.subscribe(NUDGE_CHANNEL)
            while True:
                message = await channel.get_message(timeout=READ_TIMEOUT_S)
                if message is not None and message["data"] == self._worker_id:
                    self._on_nudge()
        finally:
            with suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(CLOSE_LIMIT_S):
                    await channel.aclose()
                    await redis.aclose()
