"""kill -9 of each process in the middle of a job: the task succeeds exactly once and no poll goes back."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from app.client import ApiError
from app.db.engine import Database
from app.db.migrate import migrate
from app.db.tasks import Actor
from app.domain.task import TaskId
from app.embedded.stack import EmbeddedStack, embedded_stack
from app.services.recovery import Recovery
from app.storage.folder import FolderStore
from tests.fakes import ListeningDoorbell
from tests.processes import STUB, Service, a_service

pytestmark = [pytest.mark.chaos, pytest.mark.inference]

JOB = {"prompt": "sleep=1.2 steps=12", "audio_duration": 10, "batch_size": 2, "audio_format": "wav"}


@pytest_asyncio.fixture(scope="module")
async def stack() -> AsyncIterator[EmbeddedStack]:
    """Servers of our own, with fsync on: they are killed too."""
    folder = Path(tempfile.mkdtemp(prefix="acestep-chaos-"))
    folder.chmod(0o711)
    async with embedded_stack(folder / "data") as running:
        await migrate(running.database_url)
        yield running
    shutil.rmtree(folder)


@pytest_asyncio.fixture
async def service(stack: EmbeddedStack, tmp_path: Path) -> AsyncIterator[Service]:
    """API and one worker with the engine of controllable timing, on short leases."""
    async with a_service(
        tmp_path,
        database_url=stack.database_url,
        redis_url=stack.redis_url,
        ACESTEP_ENGINE=STUB,
        ACESTEP_LEASE_SECONDS="2",
    ) as service:
        await service.start("api")
        await service.start("worker")
        yield service
        await check_invariants(service, stack)


async def check_invariants(service: Service, stack: EmbeddedStack) -> None:
    """Counters equal a recount, every stored clip has its bytes, and no object is without a row."""
    database = Database(stack.database_url)
    store = FolderStore(service.folder / "data" / "objects")
    recovery = Recovery(database, ListeningDoorbell(), max_crashes=3, lease_s=0, store=store)
    await recovery.remove_orphans(older_than_s=0)
    kept = {item.key async for item in store.list("o/")}
    async with database.autocommit() as work:
        counted = await work.stats.numbers(None, window=50, lease_s=30)
        recounted = await work.stats.recount()
    await database.close()
    connection = await asyncpg.connect(stack.database_url)
    rows = await connection.fetch("SELECT storage_key FROM objects WHERE storage_key = ANY($1)", list(kept))
    await connection.close()
    assert kept == {row["storage_key"] for row in rows}
    assert {name: getattr(counted, name) for name in recounted} == recounted


class Poller:
    """Polls one task all the time and remembers every status it was told."""

    def __init__(self, service: Service, task_id: str) -> None:
        self.seen: list[int] = []
        self._task = asyncio.create_task(self._poll(service, task_id))

    async def _poll(self, service: Service, task_id: str) -> None:
        while True:
            with suppress(ApiError):
                self.seen.append((await service.result(task_id)).status)
            await asyncio.sleep(0.05)

    async def stop(self) -> list[int]:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        return self.seen


async def outcomes(stack: EmbeddedStack, task_id: str) -> list[str]:
    connection = await asyncpg.connect(stack.database_url)
    rows = await connection.fetch(
        "SELECT event FROM task_events e JOIN tasks t ON t.seq = e.task_seq WHERE t.id = $1 ORDER BY e.id",
        task_id,
    )
    await connection.close()
    return [row["event"] for row in rows if row["event"] in ("succeeded", "failed", "cancelled")]


async def succeeded_once(service: Service, stack: EmbeddedStack, task_id: str, poller: Poller) -> None:
    result = await service.finished(task_id)
    await asyncio.sleep(0.3)  # whatever would come late, comes now
    seen = await poller.stop()
    assert result.status == 1, result.error
    assert seen == sorted(seen), "a poll went back"
    assert await outcomes(stack, task_id) == ["succeeded"]
    assert len(result.items) == 2
    assert len({item["file"] for item in result.items}) == 2
    for item in result.items:
        assert (await service.download(item["file"]))[:4] == b"RIFF"


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


async def test_the_child_is_killed(service: Service, stack: EmbeddedStack) -> None:
    task_id = await service.submit(**JOB)
    poller = Poller(service, task_id)
    await service.running(task_id)
    os.kill(child_of(service.processes["worker"].pid), signal.SIGKILL)
    await succeeded_once(service, stack, task_id, poller)


async def test_the_worker_is_killed_with_one_task_in_the_model_and_one_behind_it(
    service: Service, stack: EmbeddedStack
) -> None:
    tasks = [await service.submit(**{**JOB, "prompt": "vae=1.5"}), await service.submit(**JOB)]
    pollers = [Poller(service, task_id) for task_id in tasks]
    await service.running(tasks[1], "loading")
    child = child_of(service.processes["worker"].pid)
    await service.stop("worker", signal.SIGKILL)
    await service.start("worker")
    for task_id, poller in zip(tasks, pollers, strict=True):
        await succeeded_once(service, stack, task_id, poller)
    assert not Path(f"/proc/{child}").exists(), "the child outlived its worker"


async def test_the_api_is_killed(service: Service, stack: EmbeddedStack) -> None:
    task_id = await service.submit(**JOB)
    poller = Poller(service, task_id)
    await service.running(task_id)
    await service.stop("api", signal.SIGKILL)
    await service.start("api")
    await succeeded_once(service, stack, task_id, poller)


async def test_valkey_is_killed(service: Service, stack: EmbeddedStack) -> None:
    task_id = await service.submit(**JOB)
    poller = Poller(service, task_id)
    await service.running(task_id)
    pid = stack.supervisor.pid("valkey")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    during = await service.submit(**JOB)
    await succeeded_once(service, stack, task_id, poller)
    assert (await service.finished(during)).status == 1, "accepted while Redis was away"


async def test_postgres_is_killed(service: Service, stack: EmbeddedStack) -> None:
    task_id = await service.submit(**JOB)
    poller = Poller(service, task_id)
    await service.running(task_id)
    pid = stack.supervisor.pid("postgres")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await succeeded_once(service, stack, task_id, poller)


async def test_a_worker_that_wakes_up_too_late_leaves_nothing(service: Service, stack: EmbeddedStack) -> None:
    """Stopped past its lease while another worker does its task; then it goes on as if nothing had been."""
    task_id = await service.submit(**JOB)
    poller = Poller(service, task_id)
    await service.running(task_id)
    zombie = service.processes["worker"]
    zombie.send_signal(signal.SIGSTOP)
    await service.start("other")
    await succeeded_once(service, stack, task_id, poller)
    before = (await service.result(task_id)).raw
    zombie.send_signal(signal.SIGCONT)
    await service.until(
        lambda: any(text in service.log("worker") for text in ("no longer mine", "late result dropped")),
        what="the late worker to notice",
    )
    await asyncio.sleep(1.0)
    assert (await service.result(task_id)).raw == before
    store = FolderStore(service.folder / "data" / "objects")
    attempts = {item.key.split("/")[3] for item in [item async for item in store.list("o/")]}
    assert attempts == {"2"}, "the late attempt removed its own objects"


async def test_a_restart_of_every_process_changes_no_answer(service: Service, stack: EmbeddedStack) -> None:
    ids = [await service.submit(prompt=prompt, audio_duration=10) for prompt in ("", "fail", "steps=2")]
    before = [(await service.finished(task_id)).raw for task_id in ids]
    stats = (await service.stats())["jobs"]
    await service.stop("worker")
    await service.stop("api")
    for name in ("valkey", "postgres"):
        pid = stack.supervisor.pid(name)
        assert pid is not None
        os.kill(pid, signal.SIGTERM if name == "valkey" else signal.SIGINT)
    await service.until(
        lambda: stack.supervisor.pid("postgres") not in (None, pid), what="Postgres to restart"
    )
    await service.start("api")
    await service.start("worker")
    assert [(await service.result(task_id)).raw for task_id in ids] == before
    assert (await service.stats())["jobs"] == stats


async def test_a_stopped_worker_gives_its_task_back(service: Service, stack: EmbeddedStack) -> None:
    task_id = await service.submit(**{**JOB, "prompt": "sleep=60 steps=600"})
    await service.running(task_id)
    process = service.processes["worker"]
    process.send_signal(signal.SIGTERM)
    await service.until(lambda: service.said("worker", "worker draining"), what="the worker to drain")
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 20) == 0
    connection = await asyncpg.connect(stack.database_url)
    row = await connection.fetchrow("SELECT status, crashes, failures FROM tasks WHERE id = $1", task_id)
    await connection.execute(  # the next worker of this stack must not run it for a minute
        "UPDATE tasks SET status = 'cancelled', finished_at = now() WHERE id = $1", task_id
    )
    await connection.execute("UPDATE team_state SET cancelled = cancelled + 1")
    await connection.close()
    assert tuple(row) == ("queued", 0, 0)


@pytest.mark.parametrize(
    ("prompt", "code"), [("fail", "internal"), ("oom", "gpu_out_of_memory"), ("segfault", "worker_lost")]
)
async def test_a_task_that_cannot_work_ends_with_its_reason(
    service: Service, stack: EmbeddedStack, prompt: str, code: str
) -> None:
    task_id = await service.submit(prompt=prompt, audio_duration=10)
    good = await service.submit(prompt="steps=2", audio_duration=10)
    result = await service.finished(task_id, limit_s=60)
    assert (result.status, result.items[0]["stage"]) == (2, "failed")
    assert result.error
    connection = await asyncpg.connect(stack.database_url)
    assert await connection.fetchval("SELECT error_code FROM tasks WHERE id = $1", task_id) == code
    await connection.close()
    assert (await service.finished(good)).status == 1


async def ask_to_cancel(stack: EmbeddedStack, task_id: str) -> None:
    database = Database(stack.database_url)
    async with database.autocommit() as work:
        team = await work.keys.default_team()
        assert await work.tasks.request_cancel(team, TaskId(UUID(task_id)), actor=Actor(kind="client"))
    await database.close()


async def test_a_cancelled_task_stops_at_its_next_step_and_frees_the_slot(
    service: Service, stack: EmbeddedStack
) -> None:
    task_id = await service.submit(prompt="sleep=60 steps=600", audio_duration=10)
    await service.running(task_id)
    child = child_of(service.processes["worker"].pid)
    await ask_to_cancel(stack, task_id)
    result = await service.finished(task_id, limit_s=5)
    assert (result.status, result.error) == (2, "cancelled")
    after = await service.finished(await service.submit(prompt="steps=2", audio_duration=10))
    assert after.status == 1
    assert child_of(service.processes["worker"].pid) == child, "the child was not killed"
