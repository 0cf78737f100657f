"""compose.yaml without containers: its commands and environment as plain processes on the tests' servers.

What containers add is replaced: names of hosts, the folders of secrets and volumes, and the published port.
"""

import asyncio
import hashlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from click.testing import CliRunner

from app.cli.service import main
from tests.processes import ROOT, Service
from tests.s3 import object_server

pytestmark = pytest.mark.inference

SONGS = 6
BODY = {"audio_duration": 10, "batch_size": 1, "inference_steps": 1, "audio_format": "wav"}


@pytest.fixture
def s3() -> Iterator[dict[str, Any]]:
    with object_server() as server:
        yield server


@pytest.fixture
def places(tmp_path: Path, database_url: str, redis_url: str, s3: dict[str, Any]) -> dict[str, str]:
    """What stands for the names that only containers have."""
    secrets = tmp_path / "secrets"
    assert CliRunner().invoke(main, ["secrets", str(secrets)]).exit_code == 0
    (secrets / "database_url").write_text(database_url)
    (secrets / "redis_url").write_text(redis_url)
    (secrets / "s3_access_key").write_text(s3["access_key"])
    (secrets / "s3_secret_key").write_text(s3["secret_key"])
    return {
        "/run/secrets/": f"{secrets}/",
        "http://minio:9000": s3["endpoint"],
        "/data": str(tmp_path / "data"),
        "/scratch": str(tmp_path / "scratch"),
        "0.0.0.0": "127.0.0.1",
    }


def image_environment() -> dict[str, str]:
    """The variables of the service that the Dockerfile sets."""
    return dict(re.findall(r"\b(ACESTEP_\w+)=(\S+)", (ROOT / "Dockerfile").read_text()))


def environment_of(service: dict[str, Any], places: dict[str, str]) -> dict[str, str]:
    """What a container of the service gets, with the places of this test."""
    environment = {}
    for name, value in {**image_environment(), **service["environment"]}.items():
        value = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value)  # what nobody sets
        place = next((place for place in places if value.startswith(place)), "")
        environment[name] = places.get(place, "") + value.removeprefix(place)
    return environment


async def run_once(command: list[str], environment: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli.service", *command), cwd=ROOT, env={**os.environ, **environment}
    )
    assert await asyncio.wait_for(process.wait(), 60) == 0


@pytest_asyncio.fixture
async def apis(tmp_path: Path, places: dict[str, str]) -> AsyncIterator[list[Service]]:
    """Two API processes on ports of their own; the first also keeps both workers."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    (tmp_path / "scratch").mkdir()
    apis = []
    for number in range(2):
        folder = tmp_path / f"api-{number}"
        folder.mkdir()
        apis.append(Service(folder, {"OMP_NUM_THREADS": "1"}, key=(tmp_path / "secrets/api_key").read_text()))
    try:
        migrate = services["migrate"]
        await run_once(migrate["command"], environment_of(migrate, places))
        api, worker = (environment_of(services[name], places) for name in ("api", "worker-cpu"))
        await asyncio.gather(
            *(each.start("api", services["api"]["command"], **api) for each in apis),
            *(apis[0].start(name, services["worker-cpu"]["command"], **worker) for name in ("one", "two")),
        )
        yield apis
    finally:
        for each in apis:
            for name in list(each.processes):
                await each.stop(name, signal.SIGKILL)


async def test_what_compose_starts_works_and_survives_a_killed_worker(apis: list[Service]) -> None:
    ids = [
        await apis[number % 2].submit(prompt=f"song {number}", **BODY, thinking=False)
        for number in range(SONGS)
    ]
    await apis[0].finished(ids[0])
    await apis[0].stop("one", signal.SIGKILL)
    results = [await apis[1].finished(task_id) for task_id in ids]
    assert [result.status for result in results] == [1] * SONGS
    for result in results:
        for item in result.items:
            copies = {hashlib.sha256(await api.download(item["file"])).hexdigest() for api in apis}
            assert len(copies) == 1, "both processes serve the same bytes"

    async def equal() -> bool:
        first, second = [(await api.stats())["jobs"] for api in apis]
        return bool(first == second and (first["succeeded"], first["total"]) == (SONGS, SONGS))

    await apis[0].until(equal, what="the numbers of both processes to agree")
