"""Every embedded part replaced: Postgres and Valkey of somebody else, and audio in S3."""

import asyncio
import io
from collections.abc import Iterator
from typing import Any

import asyncpg
import httpx
import pytest
import soundfile
from moto.server import ThreadedMotoServer

from tests.acceptance.conftest import Installation
from tests.acceptance.test_client_flow import generate

pytestmark = pytest.mark.inference


@pytest.fixture
def s3() -> Iterator[dict[str, str]]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "S3_ENDPOINT": f"http://{host}:{port}",
        "S3_BUCKET": "acestep",
        "S3_ACCESS_KEY": "test-access",
        "S3_SECRET_KEY": "test-secret",
    }
    server.stop()


async def stored_params(database_url: str) -> dict[str, Any]:
    """The effective parameters of the only task, as the row keeps them."""
    import msgspec

    connection = await asyncpg.connect(database_url)
    params = await connection.fetchval("SELECT params FROM task_params")
    await connection.close()
    decoded: dict[str, Any] = msgspec.json.decode(params)
    return decoded


async def test_a_clip_is_made_again_from_its_record_on_servers_of_the_operator(
    installation: Installation, database_url: str, redis_url: str, s3: dict[str, str]
) -> None:
    # The language model would plan with a new seed of its own; `/rerun` keeps that one too.
    servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **s3}
    async with installation.running(ACESTEP_INIT_LLM="false", **servers):
        request = {"prompt": "quiet guitar", "audio_duration": 10, "audio_format": "wav", "batch_size": 2}
        first = await asyncio.to_thread(generate, installation.url, **request)
        record = await stored_params(database_url)
        seeds = record.pop("seeds")
        again = await asyncio.to_thread(
            generate, installation.url, **{**record, "use_random_seed": False, "seed": seeds}
        )
    assert [content for _, content in first] == [content for _, content in again]
    samples, rate = soundfile.read(io.BytesIO(first[0][1]))
    assert len(samples) / rate == pytest.approx(10, abs=0.05)
    assert not (installation.folder / "data" / "pg").exists()
    assert not (installation.folder / "data" / "objects").exists()


async def test_audio_of_s3_can_be_sought(
    installation: Installation, database_url: str, redis_url: str, s3: dict[str, str]
) -> None:
    async with installation.running(DATABASE_URL=database_url, REDIS_URL=redis_url, **s3):
        ((item, content),) = await asyncio.to_thread(
            generate, installation.url, audio_duration=10, batch_size=1, audio_format="wav"
        )
        async with httpx.AsyncClient(base_url=installation.url, trust_env=False) as client:
            part = await client.get(item["file"], headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, content[1000:2000])
