"""`acestep-api` as a whole: it ends cleanly, survives its own death, and keeps every answer."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import Installation

pytestmark = pytest.mark.inference


async def ask(installation: Installation, *ids: str) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(base_url=installation.url, trust_env=False) as client:
        response = await client.post("/query_result", json={"task_id_list": list(ids)})
    entries: list[dict[str, Any]] = response.json()["data"]
    return entries


async def submit(installation: Installation, **parameters: Any) -> str:
    async with httpx.AsyncClient(base_url=installation.url, trust_env=False) as client:
        response = await client.post("/release_task", json={"audio_duration": 10, **parameters})
    return str(response.json()["data"]["task_id"])


async def ended(installation: Installation, task_id: str) -> dict[str, Any]:
    for _ in range(600):
        (entry,) = await ask(installation, task_id)
        if entry["status"]:
            return entry
        await asyncio.sleep(0.1)
    raise AssertionError(installation.log)


def processes_in(folder: Path) -> list[str]:
    """Command lines of all processes that name the folder, in their arguments or their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                about = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if os.fsencode(folder) in about:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


async def test_answers_survive_and_nothing_stays_behind(installation: Installation) -> None:
    async with installation.running():
        done = await submit(installation, prompt="first")
        before = await ended(installation, done)
        waiting = [await submit(installation, prompt=f"later {number}") for number in range(3)]
    assert processes_in(installation.folder) == []
    async with installation.running():
        assert await ask(installation, done) == [before]
        for task_id in waiting:
            assert (await ended(installation, task_id))["status"] == 1
    assert processes_in(installation.folder) == []


async def test_a_killed_supervisor_takes_everything_with_it_and_loses_nothing(
    installation: Installation,
) -> None:
    async with installation.running(ends_with=-signal.SIGKILL) as process:
        done = await submit(installation, prompt="first")
        before = await ended(installation, done)
        waiting = await submit(installation, prompt="second")
        process.send_signal(signal.SIGKILL)
        await process.wait()
    for _ in range(50):
        if not processes_in(installation.folder):
            break
        await asyncio.sleep(0.1)
    assert processes_in(installation.folder) == []
    async with installation.running():
        assert await ask(installation, done) == [before]
        assert (await ended(installation, waiting))["status"] == 1


async def test_a_key_closes_the_service(installation: Installation) -> None:
    key = "sk-of-the-test"
    async with (
        installation.running(ACESTEP_API_KEY=key),
        httpx.AsyncClient(base_url=installation.url, trust_env=False) as client,
    ):
        refused = await client.post("/release_task", json={"prompt": "x"})
        by_header = await client.post(
            "/query_result", json={"task_id_list": []}, headers={"Authorization": f"Bearer {key}"}
        )
        by_body = await client.post("/query_result", json={"task_id_list": [], "ai_token": key})
    assert [refused.status_code, by_header.status_code, by_body.status_code] == [401, 200, 200]
    assert key not in installation.log
