"""Models that are loaded when the first task needs them."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import STUB, Service, a_service

pytestmark = pytest.mark.inference


async def health(service: Service) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
        data: dict[str, Any] = (await client.get("/health")).json()["data"]
    return data


async def test_nothing_is_loaded_before_the_first_task(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    async with a_service(
        tmp_path,
        database_url=database_url,
        redis_url=redis_url,
        ACESTEP_ENGINE=STUB,
        ACESTEP_NO_INIT="true",
        ACESTEP_LEASE_SECONDS="2",
    ) as service:
        await service.start("api")
        await service.start("worker")
        before = await health(service)
        assert (before["models_initialized"], before["loaded_model"]) == (False, None)
        task = await service.submit(prompt="steps=2", audio_duration=10)
        assert (await service.finished(task)).status == 1

        async def loaded() -> bool:
            return bool((await health(service))["models_initialized"])

        await service.until(loaded, what="the worker to report its model", limit_s=10)
        assert (await health(service))["loaded_model"] == "acestep-tiny-random"
