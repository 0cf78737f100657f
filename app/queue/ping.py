"""Asks Redis whether it is there."""

import asyncio

from redis.asyncio import Redis

LIMIT_S = 3.0


async def ping(url: str) -> None:
    """Return if Redis answers.

    Raises:
        redis.RedisError, OSError, TimeoutError: it does not.
    """
    redis = Redis.from_url(url, socket_connect_timeout=LIMIT_S, socket_timeout=LIMIT_S)
    try:
        async with asyncio.timeout(LIMIT_S):
            await redis.ping()
    finally:
        await redis.aclose()
