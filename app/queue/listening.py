"""Listening to Redis: a channel of hints, and a loop that starts again whatever ended it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.2, 5.0
READ_TIMEOUT_S = 30.0
# A Redis that hangs must not keep a process from stopping.
CLOSE_LIMIT_S = 2.0


async def keep_listening(listen: Callable[[], Awaitable[None]], *, what: str) -> None:
    """Listen until cancelled, connecting again whenever Redis went away.

    Args:
        what: name of the listener, for the log.
    """
    delay_s = FIRST_BACKOFF_S
    while True:
        started = asyncio.get_running_loop().time()
        try:
            await listen()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("redis not reachable", extra={"listener": what, "reason": type(error).__name__})
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # arq cancels the ping at hand when Redis goes away, and that comes out here.
            log.warning("redis not reachable", extra={"listener": what, "reason": "connection lost"})
        except Exception:
            log.exception("listener failed", extra={"listener": what})
        if asyncio.get_running_loop().time() - started > LONGEST_BACKOFF_S:
            delay_s = FIRST_BACKOFF_S
        await asyncio.sleep(delay_s)
        delay_s = min(delay_s * 2, LONGEST_BACKOFF_S)


async def hear(redis_url: str, channel: str, on_message: Callable[[bytes], None]) -> None:
    """Pass on what is published on a channel, until the connection breaks."""
    redis = Redis.from_url(redis_url, socket_connect_timeout=2.0)
    subscription = redis.pubsub(ignore_subscribe_messages=True)
    try:
        await subscription.subscribe(channel)
        while True:
            message = await subscription.get_message(timeout=READ_TIMEOUT_S)
            if message is not None:
                on_message(message["data"])
    finally:
        with suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_LIMIT_S):
                await subscription.aclose()
                await redis.aclose()
