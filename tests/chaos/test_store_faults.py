"""The object store fails: rows 20 to 22 and 36 of the fault matrix (docs/faults.md)."""

import asyncio
import hashlib

import asyncpg
import httpx
import pytest

from tests.chaos.fleet import Fleet
from tests.chaos.proxy import NONE, Fault

pytestmark = [pytest.mark.chaos, pytest.mark.inference]

JOB = {"prompt": "steps=2 clip=0.5", "audio_duration": 10, "batch_size": 1, "audio_format": "wav"}
CLIP_BYTES = 96_000


async def attempts_of(fleet: Fleet, task_id: str) -> int:
    connection = await asyncpg.connect(fleet.stack.database_url)
    attempt = await connection.fetchval("SELECT attempt FROM tasks WHERE id = $1", task_id)
    await connection.close()
    return int(attempt)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(reset=True),
        Fault(silent=True),
        Fault(cut_after_bytes=CLIP_BYTES // 2),
        Fault(bytes_per_s=5000.0),
    ],
    ids=["refuses", "silent", "cut in the middle", "slow"],
)
async def test_a_result_waits_while_the_accelerator_goes_on(fleet: Fleet, fault: Fault) -> None:
    """Nothing is visible before it is whole; when the store is back, the first attempt delivers."""
    fleet.s3.fault = fault
    held = [await fleet.host.submit(**JOB) for _ in range(2)]
    await fleet.host.running(held[0], "saving")
    await asyncio.sleep(0.5)
    assert [(await fleet.host.result(task_id)).status for task_id in held] == [0, 0]
    fleet.s3.fault = NONE
    for task_id in held:
        result = await fleet.host.finished(task_id)
        assert result.status == 1, result.error
        assert len(await fleet.host.download(result.files[0])) > CLIP_BYTES
    if fault.cut_after_bytes is None:
        assert [await attempts_of(fleet, task_id) for task_id in held] == [1, 1]


async def test_a_deleted_object_is_a_404(fleet: Fleet) -> None:
    file, key = await a_clip(fleet)
    content = await fleet.host.download(file)
    await fleet.store.delete(key)
    async with httpx.AsyncClient(base_url=fleet.host.url, trust_env=False) as client:
        assert (await client.get(file)).status_code == 404
    await replace(fleet, key, content)


@pytest.mark.parametrize("clip_s", [0.5, 2.0], ids=["in one portion", "in two"])
async def test_an_object_with_other_bytes_is_never_sent_whole(fleet: Fleet, clip_s: float) -> None:
    file, key = await a_clip(fleet, clip_s)
    content = await fleet.host.download(file)
    await replace(fleet, key, content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    async with httpx.AsyncClient(base_url=fleet.host.url, trust_env=False) as client:
        if clip_s < 1:
            assert (await client.get(file)).status_code == 404
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(file)
    await replace(fleet, key, content)
    assert await fleet.host.download(file) == content


async def a_clip(fleet: Fleet, clip_s: float = 0.5) -> tuple[str, str]:
    """A finished clip: its public file and its storage key."""
    task_id = await fleet.host.submit(**{**JOB, "prompt": f"steps=2 clip={clip_s}"})
    (file,) = (await fleet.host.finished(task_id)).files
    connection = await asyncpg.connect(fleet.stack.database_url)
    key = await connection.fetchval("SELECT storage_key FROM objects ORDER BY id DESC LIMIT 1")
    await connection.close()
    return file, str(key)


async def replace(fleet: Fleet, key: str, content: bytes) -> None:
    """Put something else in the place of an object, past the service."""
    await fleet.store.delete(key)
    path = fleet.folder / "content"
    path.write_bytes(content)
    await fleet.store.put_file(key, path, sha256=hashlib.sha256(content).hexdigest(), mime="audio/wav")


async def test_clients_that_never_read_keep_nobody_else_waiting(fleet: Fleet) -> None:
    file, _ = await a_clip(fleet)
    sleepers = []
    for _ in range(40):
        _reader, writer = await asyncio.open_connection("127.0.0.1", fleet.host.port, limit=1)
        writer.write(f"GET {file} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        sleepers.append(writer)
    for _ in range(3):
        assert len(await asyncio.wait_for(fleet.host.download(file), 20)) > CLIP_BYTES
    assert (await fleet.host.finished(await fleet.host.submit(**JOB))).status == 1
    for writer in sleepers:
        writer.transport.abort()
