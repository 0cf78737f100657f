"""The whole service behind proxies: own servers, two API processes, workers that are started again."""

import asyncio
import os
import random
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from uuid import uuid4

from app.db.migrate import migrate
from app.domain.ports import ObjectStore
from app.embedded.stack import EmbeddedStack, embedded_stack
from app.storage.choose import choose_store
from tests.chaos.proxy import Proxy, proxy_before
from tests.processes import STUB, Service, a_service
from tests.s3 import object_server

STARTS = 20
ALL_FAULTS = os.environ.get("FAULTS") == "all"
"""Whether the long tests of single faults run too."""


def child_of(pid: int) -> int | None:
    """The process that holds the model of a worker; None while there is none."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
    return None


@dataclass
class Fleet:
    """All processes and the ways between them; everything that ends is started again."""

    folder: Path
    stack: EmbeddedStack
    database: Proxy
    redis: Proxy
    bell: Proxy
    s3: Proxy
    store: ObjectStore
    apis: list[Service]
    words: list[str]
    workers: list[str] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)
    _starting: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def logs(self) -> list[Path]:
        """What every process has ever logged."""
        return sorted(path for api in self.apis for path in api.folder.glob("*.log"))

    @property
    def host(self) -> Service:
        """The service that keeps the workers' processes."""
        return self.apis[0]

    def a_worker(self, chance: random.Random) -> tuple[str, int] | None:
        """Name and process id of a worker that is ready."""
        if not self.workers:
            return None
        name = chance.choice(sorted(self.workers))
        return name, self.host.processes[name].pid

    async def start_worker(self) -> None:
        """Start a worker and wait until it is ready; one that cannot start now is tried again."""
        for _ in range(STARTS):
            name = f"worker-{next(self._numbers)}"
            try:
                await self.host.start(name)
            except AssertionError:
                _end(self.host, name)
                await asyncio.sleep(0.3)
            else:
                self.workers.append(name)
                return
        raise AssertionError("no worker starts")

    def replace_worker(self, name: str, number: signal.Signals) -> None:
        """End a worker by a signal, and start another one beside what else happens."""
        self.workers.remove(name)

        async def replace() -> None:
            await self.host.stop(name, number)
            await self.start_worker()

        self._beside(replace())

    async def start_api(self, api: Service) -> None:
        """Start an API process; one that cannot start now is tried again."""
        for _ in range(STARTS):
            if api.log_of("api").exists():
                api.log_of("api").rename(api.folder / f"api-{next(self._numbers)}.log")
            try:
                await api.start("api", REDIS_URL=self.bell.before(self.stack.redis_url))
            except AssertionError:
                _end(api, "api")
            else:
                return
        raise AssertionError("the API does not start")

    def replace_api(self, which: int, number: signal.Signals) -> None:
        """End an API process by a signal, and start it again beside what else happens."""

        async def replace() -> None:
            await self.apis[which].stop("api", number)
            await self.start_api(self.apis[which])

        self._beside(replace())

    def _beside(self, work: Coroutine[None, None, None]) -> None:
        self._starting.add(asyncio.create_task(work))

    async def settled(self) -> None:
        """Wait until everything that was ended runs again."""
        while self._starting:
            task = self._starting.pop()
            await task

    async def stop_workers(self) -> None:
        """End all workers in order."""
        await self.settled()
        await asyncio.gather(*(self.host.stop(name) for name in self.workers))
        self.workers.clear()

    def signal_server(self, name: str, number: signal.Signals) -> None:
        """Send a signal to Postgres or Valkey, where it runs."""
        pid = self.stack.supervisor.pid(name)
        if pid is not None:
            os.kill(pid, number)


def _end(service: Service, name: str) -> None:
    """Forget a process that did not come up."""
    with suppress(ProcessLookupError):
        service.processes.pop(name).kill()


@asynccontextmanager
async def a_fleet(*, workers: int, **environment: str) -> AsyncIterator[Fleet]:
    """Two API processes and some workers with the stub engine; Postgres with fsync on, audio in S3."""
    folder = Path(tempfile.mkdtemp(prefix="acestep-storm-"))
    folder.chmod(0o711)
    secret = uuid4().hex
    async with AsyncExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        stack = await cleanup.enter_async_context(embedded_stack(folder / "data"))
        await migrate(stack.database_url)
        s3_values = {**cleanup.enter_context(object_server()), "bucket": f"acestep-storm-{secret[:16]}"}
        database, redis, bell, s3 = [
            await cleanup.enter_async_context(proxy_before(url))
            for url in (stack.database_url, stack.redis_url, stack.redis_url, s3_values["endpoint"])
        ]
        variables = {
            "ACESTEP_ENGINE": STUB,
            "ACESTEP_KEY_PEPPER": f"pepper-{secret}",
            "S3_ENDPOINT": s3.before(s3_values["endpoint"]),
            "S3_BUCKET": s3_values["bucket"],
            "S3_ACCESS_KEY": s3_values["access_key"],
            "S3_SECRET_KEY": s3_values["secret_key"],
            **environment,
        }
        apis = [
            await cleanup.enter_async_context(
                a_service(
                    folder / name,
                    database_url=database.before(stack.database_url),
                    redis_url=redis.before(stack.redis_url),
                    **variables,
                )
            )
            for name in ("a", "b")
        ]
        fleet = Fleet(
            folder=folder,
            stack=stack,
            database=database,
            redis=redis,
            bell=bell,
            s3=s3,
            store=choose_store(folder=folder / "unused", **s3_values),
            apis=apis,
            words=[f"pepper-{secret}", stack.secrets.postgres_password, stack.secrets.redis_password],
        )
        await asyncio.gather(
            *(fleet.start_api(api) for api in apis), *(fleet.start_worker() for _ in range(workers))
        )
        yield fleet
