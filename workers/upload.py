"""Brings the clips of a finished job to the store and the outcome into its row."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from app.domain.errors import StorageRefusedError, StorageUnavailableError
from app.domain.ports import ObjectStore
from app.services.lifecycle import RESULT_HOLD_S, Lifecycle
from inference.request import GenerationResult
from workers.failpoint import Failpoints
from workers.failure import JobCancelled, TaskFailed
from workers.hold import while_store_is_away
from workers.job import RunningJob
from workers.records import object_row, stored_result
from workers.watch import Watch

log = logging.getLogger(__name__)

LAST_PUT_S = 10.0


class Upload:
    """Objects first, row second; a refused row means that the objects are nobody's, so they go."""

    def __init__(
        self, *, lifecycle: Lifecycle, store: ObjectStore, watch: Watch, failpoints: Failpoints
    ) -> None:
        self._lifecycle = lifecycle
        self._store = store
        self._watch = watch
        self._failpoints = failpoints

    async def __call__(self, job: RunningJob, result: GenerationResult) -> bool:
        """Store the clips and finish the task; False if it was asked to stop first, or is not ours.

        Raises:
            TaskFailed: clips are missing, or the store was away for too long.
            JobCancelled: asked to stop before all clips were stored.
        """
        task = job.task
        if len(result.clips) != len(task.params["seeds"]):
            wanted = len(task.params["seeds"])
            raise TaskFailed("internal", f"the engine delivered {len(result.clips)} of {wanted} clips")
        rows = [object_row(task, clip) for clip in result.clips]
        await self._put_all(job, rows, [Path(clip.path) for clip in result.clips])
        self._failpoints.hit("worker.after_put")
        job.ending = True
        done = await self._lifecycle.succeed(
            task, result=stored_result(task, result), clips=rows, gpu_seconds=job.gpu_seconds
        )
        self._failpoints.hit("worker.after_finish")
        if not done:
            log.warning("late result dropped", extra={"task_id": task.id, "attempt": task.attempt})
            # Changes nothing unless a cancel came first.
            await self._lifecycle.cancelled(task, gpu_seconds=job.gpu_seconds)
            await self._discard(rows)
        return done

    async def _put_all(
        self, job: RunningJob, rows: Sequence[Mapping[str, Any]], paths: Sequence[Path]
    ) -> None:
        """Put the clips at the same time; the first failure ends them all, a wish to stop removes them."""
        hold_until = asyncio.get_running_loop().time() + RESULT_HOLD_S
        puts = [
            asyncio.create_task(
                while_store_is_away(partial(self._put, row, path), key=row["storage_key"], until=hold_until)
            )
            for row, path in zip(rows, paths, strict=True)
        ]
        try:
            done, _ = await self._watch.over(job, asyncio.wait(puts, return_when=asyncio.FIRST_EXCEPTION))
            for put in done:
                put.result()
        except JobCancelled:
            # A thread cannot be stopped: what it is storing has to be there before it can be removed.
            await asyncio.wait(puts, timeout=LAST_PUT_S)
            await self._discard(rows)
            raise
        finally:
            for put in puts:
                put.cancel()
            await asyncio.gather(*puts, return_exceptions=True)

    async def _put(self, row: Mapping[str, Any], path: Path) -> None:
        await self._store.put_file(row["storage_key"], path, sha256=row["sha256"], mime=row["mime"])

    async def _discard(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Remove objects that are nobody's; what stays for now is removed as an orphan."""
        for row in rows:
            with suppress(StorageUnavailableError, StorageRefusedError):
                await self._store.delete(row["storage_key"])
