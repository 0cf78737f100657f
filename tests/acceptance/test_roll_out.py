"""Roll-outs under load: two releases side by side on one database, and migrations up and down beneath them.

The newer release is this tree with one more migration; the older one is this tree, which runs on the newer
schema by the rule of decision 0005. ROLL_OUTS sets how often both are exchanged, there and back; each time
has two migrations up and two down.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from app.db import migrate as migrations
from app.db.migrate import head, migrate
from tests.processes import ROOT, STUB, Service, a_service

pytestmark = pytest.mark.inference

ROLL_OUTS = int(os.environ.get("ROLL_OUTS", "1"))
CLIENTS = 3
BODY = {"prompt": "sleep=0.05", "audio_duration": 1, "batch_size": 1, "audio_format": "wav"}
ONE_MORE = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "9999", "{head}", None, None


def upgrade() -> None:
    op.create_table("notes", sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True))
    op.add_column("tasks", sa.Column("note", sa.Text(), nullable=True))
    op.create_index("ix_tasks_note", "tasks", ["note"])


def downgrade() -> None:
    op.drop_index("ix_tasks_note", "tasks")
    op.drop_column("tasks", "note")
    op.drop_table("notes")
"""


@dataclass
class Load:
    """Clients behind a balancer: each submits, polls until the end, and comes again after a 503."""

    targets: list[str]
    accepted: list[str] = field(default_factory=list)
    ended: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    wrong: list[str] = field(default_factory=list)

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._client(stop))

    async def _client(self, stop: asyncio.Event) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
            while not stop.is_set():
                task_id = (await self._ask(http, "/release_task", BODY))["task_id"]
                self.accepted.append(task_id)
                while task_id not in self.ended:
                    await asyncio.sleep(0.1)
                    (told,) = await self._ask(http, "/query_result", {"task_id_list": [task_id]})
                    if told["status"]:
                        self.ended[task_id] = told["status"]

    async def _ask(self, http: httpx.AsyncClient, path: str, body: dict[str, object]) -> list[dict[str, int]]:
        while True:
            answer = await http.post(self.targets[0] + path, json=body)
            if answer.status_code == 200:
                return answer.json()["data"]  # type: ignore[no-any-return]
            if answer.status_code == 503 and "Retry-After" in answer.headers:
                self.refused += 1
            else:
                self.wrong.append(f"{path}: {answer.status_code} {answer.text[:200]}")
            await asyncio.sleep(0.3)


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The tree of the next release."""
    root = tmp_path / "newer"
    root.mkdir()
    for name in ("app", "migrations"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("workers", "inference", "tests"):
        (root / name).symlink_to(ROOT / name)
    (root / "migrations/versions/9999_add_notes.py").write_text(ONE_MORE.format(head=head()))
    return root


@pytest_asyncio.fixture
async def service(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with a_service(
        tmp_path / "older", database_url=database_url, redis_url=redis_url, ACESTEP_ENGINE=STUB
    ) as service:
        yield service


async def exchange(old: Service, new: Service, load: Load) -> None:
    """Start the new processes, send clients there, and end the old ones in order."""
    await asyncio.gather(new.start("api"), new.start("worker"))
    load.targets[:] = [new.url]
    await asyncio.gather(old.stop("api"), old.stop("worker"))


async def some_more(load: Load, service: Service, count: int) -> None:
    """Let the load run until it has had so many more tasks done."""
    enough = len(load.ended) + count
    await service.until(lambda: len(load.ended) >= enough or load.wrong, what="tasks to end under load")


async def test_releases_are_exchanged_there_and_back(
    service: Service, newer: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_service = Service(service.folder.with_name("next"), service.environment, root=newer)
    next_service.folder.mkdir()
    await asyncio.gather(service.start("api"), service.start("worker"))
    load, stop = Load([service.url]), asyncio.Event()
    running = asyncio.create_task(load.run(stop))
    try:
        for _ in range(ROLL_OUTS):
            await some_more(load, service, 2)
            with monkeypatch.context() as patch:
                patch.setattr(migrations, "MIGRATIONS", newer / "migrations")
                await migrate(database_url)
                await exchange(service, next_service, load)
                await some_more(load, next_service, 2)
                await exchange(next_service, service, load)
                await migrate(database_url, target="-1")
            await migrate(database_url, target="-1")  # beneath a program that knows better
            await asyncio.sleep(0.3)
            await migrate(database_url)
        await some_more(load, service, 2)
        stop.set()
        await asyncio.wait_for(running, 60)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        for name in list(next_service.processes):
            next_service.processes[name].kill()
            await next_service.processes[name].wait()
    assert load.wrong == []
    assert sorted(load.ended) == sorted(load.accepted)
    assert set(load.ended.values()) == {1}
    assert (await service.stats())["jobs"]["succeeded"] == len(load.accepted)
