"""Every task type from a real upload to a clip, over HTTP, on the tiny base model."""

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
import soundfile
from numpy.typing import NDArray

from app.client import TaskResult
from tests.audio import a_tone, write_audio
from tests.processes import Service, a_service
from tests.servers import Servers, fresh_database, numbers

pytestmark = pytest.mark.inference

BASE = "acestep-tiny-random-base"
TONE = a_tone(2.2)
FORMATS = ("wav", "flac", "mp3")
FIELDS: dict[str, Any] = {
    "prompt": "a song",
    "audio_format": "wav",
    "batch_size": "1",
    "inference_steps": "2",
    "use_random_seed": "false",
    "seed": "5",
}


@pytest_asyncio.fixture(scope="module")
async def service(
    tmp_path_factory: pytest.TempPathFactory, servers: Servers, template: str
) -> AsyncIterator[Service]:
    """One service for all tests of this file."""
    folder = tmp_path_factory.mktemp("uploaded")
    redis_url = servers.redis(next(numbers) % 15 + 1)
    async with (
        fresh_database(servers, template) as url,
        a_service(folder, database_url=url, redis_url=redis_url, ACESTEP_CONFIG_PATH=BASE) as service,
    ):
        await service.start("api")
        await service.start("worker")
        yield service


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sources")
    return {kind: write_audio(folder / f"tone.{kind}", TONE, kind=kind) for kind in FORMATS}


async def submit(service: Service, path: Path, *, part: str = "src_audio", **fields: Any) -> str:
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
        content = path.read_bytes()
        answer = await client.post("/release_task", data=FIELDS | fields, files={part: (path.name, content)})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["task_id"])


async def record(service: Service, task_id: str) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
        return dict((await client.get(f"/v1/tasks/{task_id}")).json()["data"])


async def samples_of(service: Service, result: TaskResult) -> NDArray[np.float32]:
    assert result.status == 1, result.error
    content = await service.download(result.items[0]["file"])
    return np.asarray(soundfile.read(io.BytesIO(content), dtype="float32")[0].T)


@pytest.mark.parametrize("task_type", ["cover", "repaint", "lego", "extract", "complete"])
async def test_a_source_of_every_format_gives_the_length(
    service: Service, sources: dict[str, Path], task_type: str
) -> None:
    window = {"repainting_start": "0.5", "repainting_end": "1.5", "audio_duration": "30"}
    tracks = {"track_name": "drums", "track_classes": "drums,bass"}
    tasks = {
        kind: await submit(service, path, task_type=task_type, **window, **tracks)
        for kind, path in sources.items()
    }
    for kind, task_id in tasks.items():
        made = await samples_of(service, await service.finished(task_id))
        source = np.asarray(soundfile.read(sources[kind], dtype="float32")[0].T)
        assert made.shape == source.shape
        assert abs(made.shape[1] - TONE.shape[1]) <= 1152, "one frame of the codec"
        if task_type == "repaint":
            outside = np.r_[0:24_000, 72_000 : source.shape[1]]
            kept, before = made[:, outside], source[:, outside]
            gain = float((kept * before).sum() / (before * before).sum())
            assert np.allclose(kept, gain * before, atol=1e-4), "but for the 16 bits of the file"


async def test_text2music_takes_its_sound_from_an_upload(service: Service, sources: dict[str, Path]) -> None:
    referred = await submit(service, sources["mp3"], part="ref_audio", audio_duration="10")
    plain = await service.submit(**FIELDS, audio_duration=10)
    first, other = [await samples_of(service, await service.finished(task)) for task in (referred, plain)]
    assert first.shape == other.shape == (2, 480_000)
    assert not np.allclose(first, other, atol=1e-3)


async def test_codes_take_the_place_of_a_source_and_give_the_length(service: Service) -> None:
    codes = "".join(f"<|audio_code_{code}|>" for code in (17, 0, 63_999, 5, 4_000) * 2)
    for task_type in ("cover", "text2music"):
        task_id = await service.submit(
            **FIELDS, task_type=task_type, thinking=True, audio_codes=codes, audio_duration=30
        )
        made = await samples_of(service, await service.finished(task_id))
        assert made.shape == (2, 96_000)
        told = (await record(service, task_id))["parameters"]
        assert (told["audio_code_string"], told["audio_duration"]) == (codes, 2.0)


async def test_steps_timesteps_and_seed_show_in_progress_and_record(
    service: Service, sources: dict[str, Path]
) -> None:
    times = [round(1.0 - index / 200, 4) for index in range(190)]
    tasks = {
        "190": await submit(
            service,
            sources["flac"],
            task_type="cover",
            timesteps=",".join(map(str, times)),
            seed="7,8",
            batch_size="2",
        ),
        "200": await submit(service, sources["flac"], task_type="cover", inference_steps="200", seed="9"),
    }
    for steps, task_id in tasks.items():
        texts = set()

        async def ended(task_id: str = task_id, texts: set[str] = texts) -> bool:
            result = await service.result(task_id)
            texts.add(result.progress_text)
            return result.status != 0

        await service.until(ended, what="the task to end")
        assert any(text.startswith("dit diffusion: step ") and text.endswith(f"/{steps}") for text in texts)
    told = [await record(service, task_id) for task_id in tasks.values()]
    used = [one["parameters"] for one in told]
    assert [one["inference_steps"] for one in used] == [190, 200]
    assert [one["timesteps"] for one in used] == [times, None]
    assert [one["seeds"] for one in told] == [[7, 8], [9]]
    assert [[output["seed"] for output in one["outputs"]] for one in told] == [[7, 8], [9]]
    result = await service.result(tasks["190"])
    assert [item["seed_value"] for item in result.items] == ["7,8", "7,8"]
    assert json.loads(result.raw) == result.items
