"""The primary is lost and its synchronous standby takes over: row 19 of the fault matrix (docs/faults.md)."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from app.db.migrate import migrate
from app.embedded.folder import free_port, make_data_folder, make_folder
from app.embedded.place import choose_place
from app.embedded.postgres import ENVIRONMENT, USER, database_url, postgres
from app.embedded.program import run
from app.embedded.stack import EmbeddedStack, embedded_stack
from app.storage.folder import FolderStore
from tests.chaos.fleet import ALL_FAULTS
from tests.chaos.invariants import Scene, Witness, broken_invariants
from tests.chaos.proxy import proxy_before
from tests.processes import STUB, a_service
from tests.servers import execute

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.inference,
    pytest.mark.skipif(not ALL_FAULTS, reason="makes a second Postgres; run with FAULTS=all"),
]

JOB = {"prompt": "sleep=0.1 steps=2 clip=0.1", "audio_duration": 10, "batch_size": 1, "audio_format": "wav"}


@asynccontextmanager
async def a_primary() -> AsyncIterator[EmbeddedStack]:
    folder = Path(tempfile.mkdtemp(prefix="acestep-failover-"))
    folder.chmod(0o711)
    async with embedded_stack(folder / "data") as stack:
        await migrate(stack.database_url)
        yield stack
    shutil.rmtree(folder, ignore_errors=True)


async def a_standby(stack: EmbeddedStack) -> int:
    """Start a synchronous standby that ends with the stack; returns its port."""
    folder = make_data_folder(stack.data_dir.parent / "standby")
    place = await choose_place(folder, noted_home=None, binaries=None, user=None)
    make_folder(place.data, 0o700)
    if place.run_as is not None:
        os.chown(place.data, place.run_as.uid, place.run_as.gid)
    primary = httpx.URL(stack.database_url)
    password = stack.secrets.postgres_password
    status, output = await run(
        [
            str(place.binaries / "pg_basebackup"),
            *("--host=127.0.0.1", f"--port={primary.port}", f"--username={USER}"),
            *(f"--pgdata={place.data}", "--checkpoint=fast", "--write-recovery-conf"),
        ],
        run_as=place.run_as,
        env={**ENVIRONMENT, "PGPASSWORD": password},
    )
    assert status == 0, output
    port = free_port(None)
    standby = postgres(place, port=port, password=password, log=folder / "logs" / "pg.log", fsync=True)
    await stack.supervisor.start(replace(standby, name="standby"))
    await execute(stack.database_url, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    await execute(stack.database_url, "SELECT pg_reload_conf()")
    return port


async def test_nothing_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    async with a_primary() as stack, proxy_before(stack.database_url) as proxy:
        port = await a_standby(stack)
        standby_url = database_url(port, stack.secrets.postgres_password)
        async with a_service(
            tmp_path,
            database_url=proxy.before(stack.database_url),
            redis_url=stack.redis_url,
            ACESTEP_ENGINE=STUB,
            ACESTEP_LEASE_SECONDS="2",
        ) as service:
            await service.start("api")
            await service.start("worker")
            witness = Witness()
            sending = asyncio.create_task(send(service.url, witness, tasks=40))
            await service.until(lambda: len(witness.acknowledged) >= 15, what="some tasks")
            await lose_primary(stack)
            proxy.target = ("127.0.0.1", port)
            await execute(standby_url, "SELECT pg_promote()")
            await execute(standby_url, "ALTER SYSTEM SET synchronous_standby_names = ''")
            await execute(standby_url, "SELECT pg_reload_conf()")
            await sending
            for task_id in witness.acknowledged:
                assert (await service.finished(task_id)).status == 1
            await service.stop("worker")
            scene = Scene(
                database_url=standby_url,
                store=FolderStore(tmp_path / "data" / "objects"),
                api_url=service.url,
                witness=witness,
                logs=[service.log_of("api"), service.log_of("worker")],
            )
            assert not await broken_invariants(scene)


async def lose_primary(stack: EmbeddedStack) -> None:
    """Kill it for good."""
    pid = stack.supervisor.pid("postgres")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await stack.supervisor.stop("postgres")


async def send(url: str, witness: Witness, *, tasks: int) -> None:
    """Submit tasks one after the other, each until it is accepted."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        for _ in range(tasks):
            key = {"Idempotency-Key": str(uuid4())}
            answer = await client.post("/release_task", json=JOB, headers=key)
            while answer.status_code == 503:
                await asyncio.sleep(0.2)
                answer = await client.post("/release_task", json=JOB, headers=key)
            witness.acknowledged.add(answer.raise_for_status().json()["data"]["task_id"])
