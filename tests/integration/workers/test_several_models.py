"""Several models through the whole service: API, worker, child, and both layouts of one checkpoint."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from inference import tiny
from tests.checkpoints import write_original
from tests.processes import Service, a_service

pytestmark = pytest.mark.inference

TINY, ORIGINAL = "acestep-tiny-random", "the-same-in-the-original-layout"
JOB = {
    "prompt": "a song",
    "audio_format": "wav",
    "seed": "5",
    "use_random_seed": False,
    "batch_size": 1,
    "audio_duration": 10,
}


@pytest_asyncio.fixture
async def service(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Service]:
    models_dir = tmp_path / "service" / "data" / "models"
    folder = write_original(tiny.build(models_dir / TINY), tmp_path / "original" / "checkpoint")
    own = f'[{ORIGINAL}]\nfolder = "{folder}"\nfamily = "turbo"\nshift = 3.0\n'
    (models_dir / "models.toml").write_text(own)
    async with a_service(
        tmp_path / "service",
        database_url=database_url,
        redis_url=redis_url,
        ACESTEP_CONFIG_PATH2=ORIGINAL,
        OMP_NUM_THREADS="1",
    ) as service:
        await service.start("api")
        await service.start("worker")
        yield service


async def get(service: Service, path: str) -> Any:
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
        return (await client.get(path)).json()["data"]


async def loaded(service: Service) -> dict[str, bool]:
    return {model["name"]: model["is_loaded"] for model in (await get(service, "/v1/models"))["models"]}


async def test_every_configured_model_works_and_both_layouts_give_equal_bytes(service: Service) -> None:
    assert await loaded(service) == {TINY: True, ORIGINAL: False}
    tasks = [await service.submit(**JOB, model=model) for model in (TINY, ORIGINAL)]
    hashes = []
    for task_id in tasks:
        result = await service.finished(task_id)
        assert result.status == 1, result.error
        hashes.append(hashlib.sha256(await service.download(result.items[0]["file"])).hexdigest())
    assert hashes[0] == hashes[1]

    async def swapped() -> bool:
        return await loaded(service) == {TINY: False, ORIGINAL: True}

    await service.until(swapped, what="the swap to be shown")
    first, second = [await get(service, f"/v1/tasks/{task_id}") for task_id in tasks]
    assert [event for event in first["events"] if event["type"] == "model_loaded"] == []
    (swap,) = [event for event in second["events"] if event["type"] == "model_loaded"]
    assert (swap["detail"]["model"], swap["detail"]["attempt"]) == (ORIGINAL, 1)
    assert swap["detail"]["seconds"] > 0
    assert second["attempts"][0]["gpu_seconds"] + swap["detail"]["seconds"] <= second["run_seconds"]
    assert second["dit_model"]["name"] == ORIGINAL
    assert second["dit_model"]["sha256"] not in (None, first["dit_model"]["sha256"])
