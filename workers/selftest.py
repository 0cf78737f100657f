"""Asks a child for a small clip, to see whether a machine that broke works again."""

import asyncio
import logging
import shutil
from pathlib import Path

from inference.request import GenerationRequest, ItemSpec
from workers.failure import ChildDied, JobCancelled, JobFailed
from workers.slot import Slot

log = logging.getLogger(__name__)

LIMIT_S = 120.0


class SelfTest:
    """A request that every model can do."""

    def __init__(self, *, model: str, scratch: Path, limit_s: float = LIMIT_S) -> None:
        self._model = model
        self._scratch = scratch
        self._limit_s = limit_s

    async def passes(self, slot: Slot) -> bool:
        """Start the slot's child, if it has none, and see whether it makes a clip."""
        folder = self._scratch / "self-test"
        try:
            await slot.start()
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
            async with asyncio.timeout(self._limit_s):
                await slot.generate(self._request(folder))
        except (ChildDied, JobFailed, JobCancelled, TimeoutError) as error:
            log.error("self-test failed", extra={"reason": str(error) or type(error).__name__})
            await slot.kill()
            return False
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        log.info("self-test passed")
        return True

    def _request(self, folder: Path) -> GenerationRequest:
        return GenerationRequest(
            model=self._model,
            items=(ItemSpec(prompt="self-test", lyrics="", seed=0),),
            duration=1.0,
            steps=1,
            audio_format="wav",
            scratch_dir=str(folder),
        )
