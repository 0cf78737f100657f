"""The service as a user runs it: `acestep-api` with everything embedded and the tiny models."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest_asyncio

from tests.processes import free_port


@dataclass(frozen=True)
class Installation:
    """One data folder, and the address that the service gets whenever it runs."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "service.log").read_text(errors="replace")

    @asynccontextmanager
    async def running(
        self, *, ends_with: int = 0, **environment: str
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run `acestep-api` as `make serve` does, until the block ends, by Ctrl-C."""
        with (self.folder / "service.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                str(Path(sys.executable).with_name("acestep-api")),
                *("--config-path", "acestep-tiny-random", "--port", str(self.port)),
                env={
                    **os.environ,
                    "ACESTEP_DATA_DIR": str(self.folder / "data"),
                    "ACESTEP_TMPDIR": str(self.folder / "tmp"),
                    "ACESTEP_LM_MODEL_PATH": "acestep-5Hz-lm-tiny-random",
                    **environment,
                },
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            await self._until_ready(process)
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
            status = await asyncio.wait_for(process.wait(), 60)
        assert status == ends_with, self.log

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as client:
            for _ in range(600):
                assert process.returncode is None, self.log
                try:
                    if (await client.get("/health")).json()["data"]["models_initialized"]:
                        return
                except (httpx.TransportError, KeyError, TypeError):
                    pass
                await asyncio.sleep(0.1)
        raise AssertionError(f"not ready after 60 s:\n{self.log}")


@asynccontextmanager
async def an_installation() -> AsyncIterator[Installation]:
    folder = Path(tempfile.mkdtemp(prefix="acestep-acceptance-"))
    folder.chmod(0o711)
    yield Installation(folder, free_port())
    shutil.rmtree(folder)


@pytest_asyncio.fixture(scope="session")
async def service() -> AsyncIterator[Installation]:
    """A running service shared by the acceptance tests."""
    async with an_installation() as installation, installation.running():
        yield installation


@pytest_asyncio.fixture
async def installation() -> AsyncIterator[Installation]:
    """A place for a service that the test starts and stops itself."""
    async with an_installation() as made:
        yield made
