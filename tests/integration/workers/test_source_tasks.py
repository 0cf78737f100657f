"""Cover, repaint and reference from a stored file to a finished task: API, worker, child and tiny model."""

import hashlib
import io
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import pytest_asyncio
import soundfile

from app.client import TaskResult
from app.db.engine import Database
from app.domain.task import TaskId
from app.storage.folder import FolderStore
from tests.audio import a_tone, write_audio
from tests.audio_files import a_flac
from tests.builders import a_stored_input, give_inputs
from tests.processes import Service, a_service

pytestmark = pytest.mark.inference

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
    """The API; the worker starts when the tasks have got their inputs."""
    async with a_service(tmp_path / "service", database_url=database_url, redis_url=redis_url) as service:
        await service.start("api")
        yield service


@pytest.fixture
def store(service: Service) -> FolderStore:
    return FolderStore(service.folder / "data" / "objects")


async def a_task_on(
    service: Service, database_url: str, *inputs: dict[str, Any], task_type: str, **params: Any
) -> str:
    task_id = await service.submit(**JOB)
    await give_inputs(database_url, task_id, inputs, task_type=task_type, **params)
    return task_id


async def samples_of(service: Service, result: TaskResult) -> np.ndarray[Any, np.dtype[np.float32]]:
    assert result.status == 1, result.error
    content = await service.download(result.items[0]["file"])
    return np.asarray(soundfile.read(io.BytesIO(content), dtype="float32")[0].T)


async def test_cover_repaint_and_reference_end_to_end_and_a_repeat_is_byte_equal(
    service: Service, store: FolderStore, database_url: str, tmp_path: Path
) -> None:
    tone = a_tone(2.2)
    flac = await a_stored_input(store, write_audio(tmp_path / "s", tone, kind="flac"))
    mp3 = await a_stored_input(store, write_audio(tmp_path / "r", a_tone(1.0), kind="mp3"), role="reference")
    repaint = {"repainting_start": 0.5, "repainting_end": 1.5}
    tasks = {
        "cover": await a_task_on(service, database_url, flac, task_type="cover"),
        "again": await a_task_on(service, database_url, flac, task_type="cover"),
        "referred": await a_task_on(service, database_url, flac, mp3, task_type="cover"),
        "repaint": await a_task_on(service, database_url, flac, task_type="repaint", **repaint),
        "text2music": await a_task_on(service, database_url, mp3, task_type="text2music", audio_duration=10),
    }
    await service.start("worker")
    made = {
        name: await samples_of(service, await service.finished(task_id)) for name, task_id in tasks.items()
    }
    lengths = {name: samples.shape[1] for name, samples in made.items()}
    assert lengths == {**dict.fromkeys(tasks, 105_600), "text2music": 480_000}
    hashes = {name: hashlib.sha256(samples.tobytes()).hexdigest() for name, samples in made.items()}
    assert hashes["again"] == hashes["cover"]
    assert len(set(hashes.values())) == 4
    outside = np.r_[0:24_000, 72_000:105_600]
    kept, source = made["repaint"][:, outside], tone[:, outside]
    gain = float((kept * source).sum() / (source * source).sum())
    assert np.allclose(kept, gain * source, atol=1e-3)  # both files are of 16 bits
    assert not list((service.folder / "tmp" / "attempts").rglob("source*"))


async def test_a_broken_input_fails_its_task_only(
    service: Service, store: FolderStore, database_url: str, db: Database, tmp_path: Path
) -> None:
    (tmp_path / "broken").write_bytes(a_flac())
    broken = await a_stored_input(store, tmp_path / "broken")
    gone = await a_stored_input(store, write_audio(tmp_path / "gone", a_tone(1.0)))
    await store.delete(gone["storage_key"])
    failing = [await a_task_on(service, database_url, entry, task_type="cover") for entry in (broken, gone)]
    healthy = await service.submit(**JOB)
    await service.start("worker")
    results = [await service.finished(task_id) for task_id in failing]
    assert [(result.status, result.error) for result in results] == [
        (2, "the source audio cannot be decoded"),
        (2, "the source audio is no longer stored"),
    ]
    async with db.autocommit() as work:
        team = await work.keys.default_team()
        views = await work.views.by_ids(team, [TaskId(UUID(task_id)) for task_id in failing])
    assert {(view.error_code, view.attempt) for view in views.values()} == {("input_unavailable", 1)}
    assert (await service.finished(healthy)).status == 1


def decoders_of(service: Service) -> list[int]:
    """The decode processes at work on the service's files, by id."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            command = (process / "cmdline").read_text()
            if "inference.audio.decode" in command and str(service.folder) in command:
                found.append(int(process.name))
    return found


async def test_a_cancel_stops_a_task_whose_input_is_being_decoded(
    service: Service, store: FolderStore, database_url: str, tmp_path: Path
) -> None:
    path = write_audio(tmp_path / "long", a_tone(60.0), kind="flac")
    task_id = await a_task_on(service, database_url, await a_stored_input(store, path), task_type="cover")
    await service.start("worker")

    (decoding,) = await service.until(lambda: decoders_of(service), what="the decoding to begin")
    os.kill(decoding, signal.SIGSTOP)

    async def is_told() -> bool:
        return (await service.result(task_id)).progress_text == "processing source"

    await service.until(is_told, what="the text of a source that is processed")
    (item,) = (await service.result(task_id)).items
    assert item["stage"] == "loading"
    await service.cancel(task_id)
    result = await service.finished(task_id, limit_s=20)
    assert result.error == "cancelled"
    assert (service.folder / "worker.log").read_text().count("task cancelled") == 1
    assert not decoders_of(service)
