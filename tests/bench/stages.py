"""Tasks whose stages have known times, and the real service to work them, on servers of its own."""

import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg

from app.db.migrate import migrate
from app.embedded.stack import embedded_stack
from inference.audio.encode import encode
from inference.audio.wave import level
from inference.request import ItemSpec
from tests.engines import tone
from tests.processes import STUB, Service, a_service


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """Seconds of one task: on the accelerator by stage, and of CPU time to encode its clip."""

    text_s: float = 0.020
    dit_s: float = 0.300
    vae_s: float = 0.100
    encode_s: float = 0.150

    @property
    def accelerator_s(self) -> float:
        """All stages that hold the accelerator."""
        return self.text_s + self.dit_s + self.vae_s

    def prompt(self, clip_s: float) -> str:
        """Words that the engine of the tests obeys."""
        return f"text={self.text_s} sleep={self.dit_s} vae={self.vae_s} steps=8 clip={clip_s}"

    def ideal_s(self, tasks: int) -> float:
        """The least time in which so many tasks can be done."""
        cores = len(os.sched_getaffinity(0))
        return max(tasks * self.accelerator_s, tasks * self.encode_s / cores)


def seconds_that_take(encode_s: float, folder: Path, *, audio_format: str) -> float:
    """Return the length of a clip whose encoding takes that much CPU time here."""
    wave = level(tone(ItemSpec(prompt="", lyrics="", seed=1), 5.0), seed=1)
    spent: list[float] = []
    for _ in range(5):
        begun = time.thread_time()
        encode(wave, index=0, audio_format=audio_format, scratch_dir=folder)
        spent.append(time.thread_time() - begun)
    return round(5.0 * encode_s / median(spent), 3)


@dataclass(frozen=True, slots=True)
class Running:
    """The API on its own servers; the worker is started by the bench."""

    service: Service
    database_url: str

    async def finished(self, tasks: int) -> list[dict[str, Any]]:
        """Wait until so many tasks have succeeded; returns their rows."""
        connection = await asyncpg.connect(self.database_url)
        try:

            async def all_done() -> bool:
                count = await connection.fetchval("SELECT count(*) FROM tasks WHERE status = 'succeeded'")
                return bool(count == tasks)

            await self.service.until(
                all_done, what="all tasks to succeed", limit_s=20.0 + 10.0 * tasks, every_s=0.1
            )
            rows = await connection.fetch("SELECT started_at, finished_at, result FROM tasks ORDER BY seq")
        finally:
            await connection.close()
        return [{**row, "result": json.loads(row["result"])} for row in rows]


@asynccontextmanager
async def a_running_service(folder: Path) -> AsyncIterator[Running]:
    """Start the API with the engine of the tests on servers of its own."""
    folder.chmod(0o711)  # Postgres may run as another user
    async with (
        embedded_stack(folder / "data") as stack,
        a_service(
            folder / "service",
            database_url=stack.database_url,
            redis_url=stack.redis_url,
            ACESTEP_ENGINE=STUB,
        ) as service,
    ):
        await migrate(stack.database_url)
        await service.start("api")
        yield Running(service, stack.database_url)
