"""Hears that a row of this worker has changed, a cancel mostly. A lost nudge costs one heartbeat."""

from collections.abc import Callable
from uuid import UUID

from app.queue.doorbell import NUDGE_CHANNEL
from app.queue.listening import hear, keep_listening


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
        await hear(self._redis_url, NUDGE_CHANNEL, self._take)

    def _take(self, message: bytes) -> None:
        if message == self._worker_id:
            self._on_nudge()
