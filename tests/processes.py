"""The service as its real processes, started by hand on test servers, for tests that look from outside."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from app.client import Client, TaskResult

STUB = "tests.engines.StubEngine"
START_S = 120.0  # on a machine where many processes start at once
ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Service:
    """One API process and any number of workers on given servers."""

    folder: Path
    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    root: Path = ROOT  # whose program runs
    key: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(
        self, name: str, command: Sequence[str] = (), **environment: str
    ) -> asyncio.subprocess.Process:
        """Start `api` or a worker of any other name, and wait until it works.

        Args:
            command: of `acestep-service`; else what starts such a process.
        """
        module = "workers" if name != "api" and not command else "app.cli.service"
        arguments = command or (["api"] if name == "api" else [])
        with self.log_of(name).open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", module, *arguments),
                env={**os.environ, **self.environment, "ACESTEP_API_PORT": str(self.port), **environment},
                cwd=self.root,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.processes[name] = process
        if name == "api":
            await self.until(
                lambda: self.said(name, "") and self.answers(), what="the API to answer", limit_s=START_S
            )
        else:
            await self.until(
                lambda: self.said(name, "worker ready"), what="the worker to be ready", limit_s=START_S
            )
        return process

    async def answers(self) -> bool:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as client:
            try:
                return (await client.get("/health")).status_code == 200
            except httpx.TransportError:
                return False

    def said(self, name: str, text: str) -> bool:
        """Whether the process has logged this text."""
        if self.processes[name].returncode is not None:
            raise AssertionError(f"{name} ended:\n{self.log(name)}")
        return text in self.log(name)

    def log_of(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def log(self, name: str) -> str:
        return self.log_of(name).read_text(errors="replace")

    async def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        process = self.processes.pop(name)
        if process.returncode is None:
            process.send_signal(number)
        return await asyncio.wait_for(process.wait(), 30)

    async def until(
        self, condition: Callable[[], Any], *, what: str, limit_s: float = 40.0, every_s: float = 0.03
    ) -> Any:
        """Wait for a condition, which may be a coroutine function."""
        deadline = asyncio.get_running_loop().time() + limit_s
        while True:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            if asyncio.get_running_loop().time() > deadline:
                logs = "\n".join(f"--- {name}\n{self.log(name)[-3000:]}" for name in self.processes)
                raise AssertionError(f"waited {limit_s:g} s for {what}\n{logs}")
            await asyncio.sleep(every_s)

    async def submit(self, **parameters: Any) -> str:
        return await asyncio.to_thread(self._with_client, lambda client: client.submit(**parameters))

    async def result(self, task_id: str) -> TaskResult:
        return await asyncio.to_thread(self._with_client, lambda client: client.result(task_id))

    async def cancel(self, task_id: str) -> str:
        return await asyncio.to_thread(self._with_client, lambda client: client.cancel(task_id))

    async def finished(self, task_id: str, *, limit_s: float = 40.0) -> TaskResult:
        """Wait until a task has ended, one way or the other."""

        async def ended() -> TaskResult | None:
            result = await self.result(task_id)
            return result if result.status else None

        found = await self.until(ended, what=f"task {task_id} to end", limit_s=limit_s)
        assert isinstance(found, TaskResult)
        return found

    async def running(self, task_id: str, stage: str = "diffusing") -> None:
        """Wait until a task is in the middle of its work."""

        async def there() -> bool:
            items = (await self.result(task_id)).items
            return bool(items) and items[0]["stage"] == stage

        await self.until(there, what=f"task {task_id} to be {stage}")

    async def stats(self) -> dict[str, Any]:
        return await asyncio.to_thread(self._with_client, lambda client: client.stats())

    async def download(self, file: str) -> bytes:
        return await asyncio.to_thread(self._with_client, lambda client: b"".join(client.stream(file)))

    def _with_client(self, ask: Callable[[Client], Any]) -> Any:
        with Client(self.url, api_key=self.key) as client:
            return ask(client)


@asynccontextmanager
async def a_service(
    folder: Path, *, database_url: str, redis_url: str, **environment: str
) -> AsyncIterator[Service]:
    """A service with nothing started yet; whatever was started is killed at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    service = Service(
        folder,
        {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "ACESTEP_KEY_PEPPER": "pepper-of-the-tests",
            "ACESTEP_CONFIG_PATH": "acestep-tiny-random",
            "ACESTEP_DATA_DIR": str(folder / "data"),
            "ACESTEP_TMPDIR": str(folder / "tmp"),
            # On a busy machine, threads of one operation of the model only wait for each other.
            "OMP_NUM_THREADS": "1",
            **environment,
        },
    )
    try:
        yield service
    finally:
        for name in list(service.processes):
            await service.stop(name, signal.SIGKILL)
