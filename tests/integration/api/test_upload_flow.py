"""Uploads and paths over HTTP, on a real API process without a worker."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest_asyncio

from app.domain.aliases import ALIASES
from app.domain.inputs import PATH_PARAMETERS
from tests.audio_files import a_flac, a_wav, an_mp3, an_ogg
from tests.processes import Service, a_service

KEY = "sk-of-the-operator"


@dataclass
class Api:
    """A running API and what it has stored."""

    service: Service
    database_url: str

    @asynccontextmanager
    async def client(self, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(
            base_url=self.service.url, trust_env=False, timeout=30, headers=headers
        ) as client:
            yield client

    async def fetch(self, query: str) -> list[Any]:
        connection = await asyncpg.connect(self.database_url)
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    async def inputs(self) -> list[dict[str, Any]]:
        """Inputs of the latest task."""
        (row,) = await self.fetch("SELECT inputs FROM task_params ORDER BY task_seq DESC LIMIT 1")
        return list(json.loads(row["inputs"]))

    def objects(self) -> list[Path]:
        folder = self.service.folder / "data" / "objects" / "i"
        return [path for path in folder.rglob("*") if path.is_file()]


@pytest_asyncio.fixture
async def api(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Api]:
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    async with a_service(
        tmp_path,
        database_url=database_url,
        redis_url=redis_url,
        ACESTEP_QUEUE_MAXSIZE="10",
        ACESTEP_INPUT_DIRS=f"{inputs},/does/not/exist",
    ) as service:
        await service.start("api")
        yield Api(service, database_url)


async def test_an_upload_becomes_an_input_that_can_be_downloaded(api: Api) -> None:
    for task_type, part, role in (
        ("repaint", "src_audio", "source"),
        ("cover", "ctx_audio", "source"),
        ("text2music", "ref_audio", "reference"),
        ("text2music", "reference_audio", "reference"),
    ):
        await upload_and_use_again(api, task_type, part, role)
    assert len(api.objects()) == 4


async def upload_and_use_again(api: Api, task_type: str, part: str, role: str) -> None:
    content = an_mp3(told_frames=40)
    async with api.client() as client:
        response = await client.post(
            "/release_task",
            data={"prompt": "remix this song", "task_type": task_type},
            files={part: ("song.mp3", content, "audio/mpeg")},
        )
        assert response.status_code == 200, response.text
        (stored,) = await api.inputs()
        assert (stored["role"], stored["origin"], stored["bytes"]) == (role, "upload", len(content))
        audio = await client.get("/v1/audio", params={"path": stored["path"]})
        assert (audio.status_code, audio.content) == (200, content)
        assert audio.headers["content-type"] == "audio/mpeg"
        again = await client.post(
            "/release_task",
            json={"task_type": "cover", "srcAudioPath": str(audio.url)},
        )
        assert again.status_code == 200
    assert [entry | {"role": role} for entry in await api.inputs()] == [stored]


async def test_a_full_queue_leaves_nothing_of_an_upload(api: Api) -> None:
    async with api.client() as client:
        for _ in range(10):
            assert (await client.post("/release_task", json={})).status_code == 200
        response = await client.post(
            "/release_task", data={"task_type": "cover"}, files={"src_audio": ("a.wav", a_wav())}
        )
    assert (response.status_code, response.json()["error"]) == (429, "queue is full: 10 of 10 tasks waiting")
    assert api.objects() == []
    assert await api.fetch("SELECT id FROM objects") == []
    assert len(await api.fetch("SELECT id FROM tasks")) == 10


async def test_a_path_below_an_allowed_folder(api: Api) -> None:
    path = api.service.folder / "inputs" / "song.bin"
    path.write_bytes(an_ogg())
    async with api.client() as client:
        response = await client.post(
            "/release_task", data={"task_type": "cover", "src_audio_path": str(path)}
        )
    assert response.status_code == 200, response.text
    (source,) = await api.inputs()
    assert (source["origin"], source["duration"]) == ("server", 1.0)
    assert source["path"].endswith(".ogg")


async def test_no_spelling_and_no_carrier_opens_a_forbidden_path(api: Api) -> None:
    secret = api.service.folder / "secret.wav"
    secret.write_bytes(a_wav())
    forbidden = [str(secret), "/etc/passwd", f"audio/{'0' * 32}.wav", "http://127.0.0.1:1/x.wav"]
    bodies = set()
    async with api.client() as client:
        for name in PATH_PARAMETERS.values():
            for spelling in (name, *ALIASES[name]):
                for path in forbidden:
                    fields = {spelling: path}
                    for request in (
                        {"json": fields},
                        {"data": fields},
                        {"files": {spelling: (None, path)}},
                        {"json": {"param_obj": fields}},
                        {"data": {"metas": json.dumps(fields)}},
                    ):
                        response = await client.post("/release_task", **request)
                        body = response.json() | {"timestamp": 0}
                        bodies.add((response.status_code, json.dumps(body)))
    assert len(bodies) == 1
    ((status, body),) = bodies
    assert (status, json.loads(body)["error"]) == (400, "audio path not available")
    assert api.objects() == []


async def test_polls_are_answered_while_a_large_file_comes_in(api: Api) -> None:
    content = a_flac() + bytes(60 * 1024 * 1024)
    waits = []
    async with api.client() as client, api.client() as uploader:
        upload = asyncio.create_task(
            uploader.post("/release_task", data={"prompt": "x"}, files={"ref_audio": ("a", content)})
        )
        while not upload.done():
            started = time.monotonic()
            assert (await client.post("/query_result", json={"task_id_list": []})).status_code == 200
            waits.append(time.monotonic() - started)
            await asyncio.sleep(0.01)
    assert upload.result().status_code == 200
    assert len(waits) > 5
    # The client shares this process with the sender of 60 MB; a blocked loop would show as seconds.
    assert max(waits) < 1.0


async def test_with_a_key_files_of_nobody_are_refused(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    async with a_service(
        tmp_path, database_url=database_url, redis_url=redis_url, ACESTEP_API_KEY=KEY
    ) as service:
        await service.start("api")
        api = Api(service, database_url)
        large = ("song.wav", a_wav(seconds=200))
        async with api.client() as client:
            nobody = await client.post("/release_task", files={"ref_audio": large})
            token = await client.post("/release_task", data={"ai_token": KEY}, files={"ref_audio": large})
            wrong = await client.post(
                "/release_task",
                data={"ai_token": "wrong"},
                files={"ref_audio": large},
                headers={"authorization": KEY},
            )
        assert nobody.status_code == 413
        assert token.status_code == 200
        assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid ai_token")
        assert len(api.objects()) == 1
        assert KEY not in str(await api.fetch("SELECT * FROM task_params"))
