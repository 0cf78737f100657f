"""Waits for an object store that is away, as long as a result may be held."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.domain.errors import StorageUnavailableError
from app.services.lifecycle import RESULT_HOLD_S
from workers.failure import TaskFailed

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0


async def while_store_is_away(operation: Callable[[], Awaitable[None]], *, key: str) -> None:
    """Repeat an operation on one object until the store answers.

    Raises:
        TaskFailed: it did not answer for RESULT_HOLD_S; another attempt may help.
    """
    deadline = asyncio.get_running_loop().time() + RESULT_HOLD_S
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            await operation()
            return
        except StorageUnavailableError:
            if asyncio.get_running_loop().time() + pause_s > deadline:
                raise TaskFailed(
                    "storage_unavailable", "the object store did not answer", retryable=True
                ) from None
            log.warning("store not available, task held", extra={"key": key})
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
