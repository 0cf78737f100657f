"""Waits for an object store that is away, as long as a result may be held."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.domain.errors import StorageRefusedError, StorageUnavailableError
from app.services.lifecycle import RESULT_HOLD_S
from workers.failure import TaskFailed

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0


async def while_store_is_away(
    operation: Callable[[], Awaitable[None]], *, key: str, until: float | None = None
) -> None:
    """Repeat an operation on one object until the store answers.

    Args:
        until: time of the loop at which to give up; None = RESULT_HOLD_S from now.

    Raises:
        TaskFailed: it did not answer in time, so that another attempt may help, or it refuses us.
    """
    deadline = asyncio.get_running_loop().time() + RESULT_HOLD_S if until is None else until
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            await operation()
            return
        except StorageRefusedError as error:
            raise TaskFailed("storage_unavailable", str(error)) from None
        except StorageUnavailableError:
            if asyncio.get_running_loop().time() + pause_s > deadline:
                raise TaskFailed(
                    "storage_unavailable", "the object store did not answer", retryable=True
                ) from None
            log.warning("store not available, task held", extra={"key": key})
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
