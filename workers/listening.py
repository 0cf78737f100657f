"""Keeps a listener on Redis going: whatever ends it, it is started again, a little later each time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from redis.exceptions import RedisError

log = logging.getLogger(__name__)

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.2, 5.0


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
