"""The application as `acestep-service api` builds it, on real servers, with two teams that have keys."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest_asyncio
from litestar import Litestar

from app.db.engine import Database
from app.db.tasks import Actor
from app.domain.authority import Authority
from app.domain.cursor import Cursors
from app.domain.filters import Filters
from app.domain.keys import ALL_SCOPES, Scope, key_digest
from app.domain.task import TaskId
from app.domain.team_keys import NewKey
from app.domain.webhook import EndpointChange
from app.main import build
from app.services.keys import Keys
from app.services.lists import Lists
from app.services.teams import Teams
from app.settings import load
from app.storage.choose import choose_store
from tests.builders import MODEL, WORKER, a_clip, a_task, claim
from tests.webhooks import webhooks_of

PEPPER = "pepper-of-the-tests"
OPERATOR = Authority.operator("cli:test")


@dataclass(frozen=True)
class Tenant:
    """A team whose key may do all but administer, a finished task with a stored clip, and a waiting one."""

    name: str
    key: str
    key_id: str
    done: TaskId
    waiting: TaskId
    audio: str
    sha256: str
    cursor: str
    key_cursor: str
    team_id: str
    webhook: str
    delivery: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}


@dataclass(frozen=True)
class World:
    """The running application and its tenants."""

    app: Litestar
    client: httpx.AsyncClient
    keys: Keys
    a: Tenant
    b: Tenant
    admin: NewKey

    async def make_key(self, *scopes: str, team: str = "team-a", name: str = "made") -> NewKey:
        return await self.keys.create(OPERATOR, team, name=name, scopes=scopes)

    async def as_admin(self, verb: str, url: str, **request: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.admin.text}"}
        return await self.client.request(verb, url, headers=headers, **request)


@pytest_asyncio.fixture
async def world(db: Database, database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[World]:
    keys = Keys(db, pepper=PEPPER.encode())
    settings = load(data_dir=tmp_path, config_path=MODEL)
    tenants = [await a_tenant(db, keys, name, tmp_path) for name in ("team-a", "team-b")]
    admin = await keys.create(OPERATOR, "default", name="admin", scopes=["admin"])
    app = await build(settings, database_url=database_url, redis_url=redis_url, pepper=PEPPER.encode())
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with running(app), httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield World(app, client, keys, *tenants, admin)


@asynccontextmanager
async def running(app: Litestar) -> AsyncIterator[None]:
    """The application's lifespan, in a task of its own: its start and end must share one."""
    started, ending = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await ending.wait()

    living = asyncio.create_task(live())
    await started.wait()
    yield
    ending.set()
    await living


async def a_tenant(db: Database, keys: Keys, name: str, folder: Path) -> Tenant:
    made_team = await Teams(db).create(OPERATOR, {"name": name})
    scopes = [str(scope) for scope in ALL_SCOPES - {Scope.ADMIN}]
    made = await keys.create(OPERATOR, name, name=f"key of {name}", scopes=scopes)
    async with db.autocommit() as work:
        caller = await work.keys.caller(key_digest(made.text.encode(), PEPPER.encode()))
    assert caller is not None
    team = caller.team_id
    await a_task(db, team, prompt=f"secret words of {name}", labels={"project": name}, key_id=caller.key_id)
    webhook = await webhooks_of(db).add(caller, "me", EndpointChange(url=f"https://{name}.example/"))
    (task,) = await claim(db)
    row = a_clip(task)
    clip = folder / "clip.wav"
    clip.write_bytes(f"sound of {name}".encode() * 10)
    row |= {"bytes": clip.stat().st_size, "sha256": hashlib.sha256(clip.read_bytes()).hexdigest()}
    store = choose_store(**load(data_dir=folder).store)
    await store.put_file(row["storage_key"], clip, sha256=row["sha256"], mime="audio/wav")
    async with db.autocommit() as work:
        await work.tasks.succeed(
            task.id,
            1,
            actor=Actor(kind="worker", id=str(WORKER)),
            result={"items": []},
            clips=[row],
            gpu_seconds=1,
        )
    waiting = await a_task(db, team, prompt=f"secret words of {name}")
    first = await Lists(db, pepper=PEPPER.encode())(team, Filters(), newest_first=True, limit=1, cursor=None)
    assert first.next_cursor
    told = await webhooks_of(db).deliveries(caller, "me", UUID(webhook.id), cursor=None, limit=1)
    return Tenant(
        name=name,
        key=made.text,
        key_id=str(made.key.id),
        done=task.id,
        waiting=waiting,
        audio=row["public_key"],
        sha256=row["sha256"],
        cursor=first.next_cursor,
        key_cursor=Cursors(PEPPER.encode()).make(made.key.id, f"keys {team} ".encode()),
        team_id=str(made_team.id),
        webhook=webhook.id,
        delivery=told.items[0].id,
    )
