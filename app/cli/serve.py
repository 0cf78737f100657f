"""`acestep-api`: the whole service on one machine, with every server that is not configured."""

import asyncio
import logging
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click

from app import logs
from app.cli.configure import settings_or_exit
from app.cli.models import bring_models
from app.cli.service import listen
from app.db.engine import Database
from app.db.migrate import migrate
from app.domain.errors import ServiceError
from app.embedded.errors import EmbeddedError
from app.embedded.program import Program
from app.embedded.stack import EmbeddedStack, embedded_stack
from app.queue.doorbell import ArqDoorbell
from app.services.recovery import Recovery
from app.settings import TINY_MODEL, Settings
from app.storage.choose import choose_store

log = logging.getLogger("acestep")

READY_POLL_S = 0.2
MODEL_LOAD_LIMIT_S = 600.0

NOISE = (
    "This model has random weights: it makes noise, not music. "
    "Music needs the model acestep-v15-turbo (6.3 GB are downloaded at its first start)."
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", "--api-host", "api_host", help="Address to listen on.")
@click.option("--port", "--api-port", "api_port", type=int, help="Port to listen on.")
@click.option(
    "--api-key", help="Key that opens everything; process lists show it, so prefer ACESTEP_API_KEY."
)
@click.option("--config-path", help="Default diffusion model.")
@click.option("--lm-model-path", help="Default language model.")
@click.option("--init-llm", is_flag=False, flag_value="true", help="auto, true or false; bare = true.")
@click.option("--no-init", is_flag=True, default=None, help="Load models when the first task needs them.")
@click.option("--download-source", help="auto, huggingface or modelscope.")
@click.version_option(package_name="acestep-service")
def main(**flags: str | int | bool | None) -> None:
    """Run API, worker and the servers they need until Ctrl-C."""
    settings = settings_or_exit(**flags)
    logs.configure(settings.log_level, secrets=settings.secrets, form=settings.log_format)
    bring_models(settings)
    try:
        asyncio.run(serve(settings))
    except (EmbeddedError, ServiceError) as error:
        raise click.ClickException(str(error)) from None


async def serve(settings: Settings) -> None:
    """Start everything in order, run until a signal, and stop everything in reverse order.

    Raises:
        EmbeddedError: a part does not run; the message says what to do.
        click.ClickException: the port or a model is not available.
    """
    listen(settings.api_host, settings.api_port).close()  # say at once that the port is taken
    on_exit = _OnExit(settings)
    running = asyncio.create_task(_run(settings, on_exit))

    def stop() -> None:
        if running.cancelling():  # the second time: do not wait for the running tasks
            on_exit.hurry()
        else:
            running.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        await running
    except asyncio.CancelledError:
        log.info("stopped")


async def _run(settings: Settings, on_exit: "_OnExit") -> None:
    """Start everything and watch it; ends by being cancelled, which stops everything in reverse order."""
    async with embedded_stack(
        settings.data_dir,
        database_url=settings.database_url.get_secret_value() if settings.database_url else None,
        redis_url=settings.redis_url.get_secret_value() if settings.redis_url else None,
        pg_bin=Path(settings.pg_bin) if settings.pg_bin else None,
        redis_bin=Path(settings.redis_bin) if settings.redis_bin else None,
        pg_user=settings.pg_user or None,
        on_exit=on_exit,
    ) as stack:
        await migrate(stack.database_url)
        await choose_store(**settings.store).health()
        on_exit.stack = stack
        await on_exit.forget_dead_workers()
        environment = _environment(settings, stack)
        for number in range(settings.api_workers):
            await stack.supervisor.start(_api(settings, environment, number))
        _tell(settings)
        await stack.supervisor.start(_worker(settings, environment, stack))
        await stack.supervisor.watch()


def _environment(settings: Settings, stack: EmbeddedStack) -> dict[str, str]:
    """Environment of API and worker: ours, with flags and addresses made explicit."""
    pepper = settings.key_pepper.get_secret_value() or stack.secrets.pepper
    return {
        **os.environ,
        **_counting_together(settings),
        "DATABASE_URL": stack.database_url,
        "REDIS_URL": stack.redis_url,
        "ACESTEP_KEY_PEPPER": pepper,
        "ACESTEP_API_KEY": settings.api_key.get_secret_value(),
        "ACESTEP_API_HOST": settings.api_host,
        "ACESTEP_API_PORT": str(settings.api_port),
        "ACESTEP_CONFIG_PATH": settings.config_path,
        "ACESTEP_LM_MODEL_PATH": settings.lm_model_path,
        "ACESTEP_INIT_LLM": str(settings.init_llm).lower(),
        "ACESTEP_NO_INIT": str(settings.no_init).lower(),
        "ACESTEP_DOWNLOAD_SOURCE": settings.download_source,
        "ACESTEP_DATA_DIR": str(settings.data_dir),
        "ACESTEP_TMPDIR": str(settings.tmpdir),
        "TRITON_CACHE_DIR": str(settings.triton_cache_dir),
        "TORCHINDUCTOR_CACHE_DIR": str(settings.torchinductor_cache_dir),
    }


def _counting_together(settings: Settings) -> dict[str, str]:
    """Let several API processes, of which each scrape of `/metrics` meets one, count in one empty folder."""
    if settings.api_workers == 1 or settings.prometheus_multiproc_dir:
        return {}
    folder = settings.tmpdir / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return {"PROMETHEUS_MULTIPROC_DIR": str(folder)}


def _api(settings: Settings, environment: Mapping[str, str], number: int) -> Program:
    async def ready() -> bool:
        return await asyncio.to_thread(_accepts, settings.api_host, settings.api_port)

    return Program(
        name="api" if number == 0 else f"api {number + 1}",
        argv=[sys.executable, "-P", "-m", "app.cli.service", "api"],
        env=environment,
        ready=ready,
        stop=((signal.SIGTERM, 15.0),),
    )


def _worker(settings: Settings, environment: Mapping[str, str], stack: EmbeddedStack) -> Program:
    database = Database(stack.database_url, pool_size=1, application_name="acestep-supervisor")

    async def ready() -> bool:
        await asyncio.sleep(READY_POLL_S)
        pid = stack.supervisor.pid("worker")
        with suppress(ServiceError):
            async with database.autocommit() as work:
                return pid is not None and await work.workers.is_ready(socket.gethostname(), pid)
        return False

    return Program(
        name="worker",
        argv=[sys.executable, "-P", "-m", "workers"],
        env=environment,
        ready=ready,
        start_timeout_s=MODEL_LOAD_LIMIT_S,
        stop=((signal.SIGTERM, settings.shutdown_grace + 10.0),),
    )


def _accepts(host: str, port: int) -> bool:
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        socket.create_connection((target, port), timeout=1).close()
    except OSError:
        return False
    return True


def _tell(settings: Settings) -> None:
    shown = f"[{settings.api_host}]" if ":" in settings.api_host else settings.api_host
    address = f"http://{shown}:{settings.api_port}"
    click.echo(f"ACE-Step service on {address} with {', '.join(settings.models)}")
    click.echo(f"Studio: {address}/studio   Admin: {address}/admin   API: {address}/docs")
    if TINY_MODEL in settings.models:
        click.echo(NOISE)


@dataclass
class _OnExit:
    """Gives the tasks of a worker that died back at once, instead of waiting for their leases."""

    settings: Settings
    stack: EmbeddedStack | None = None

    async def __call__(self, name: str, pid: int) -> None:
        if name == "worker" and self.stack is not None:
            async with self._recovery(self.stack) as recovery:
                await recovery.worker_died(socket.gethostname(), pid)

    def hurry(self) -> None:
        """Tell the worker, which is ending, to give its running tasks back now."""
        pid = self.stack.supervisor.pid("worker") if self.stack else None
        if pid is not None:
            os.kill(pid, signal.SIGTERM)

    async def forget_dead_workers(self) -> None:
        """Do the same for workers of this machine that ended while nobody watched."""
        if self.stack is not None:
            async with self._recovery(self.stack) as recovery:
                await recovery.workers_died(socket.gethostname(), is_alive=_is_alive)

    @asynccontextmanager
    async def _recovery(self, stack: EmbeddedStack) -> AsyncIterator[Recovery]:
        database = Database(stack.database_url, pool_size=1, application_name="acestep-supervisor")
        doorbell = ArqDoorbell(stack.redis_url)
        try:
            yield Recovery(
                database,
                doorbell,
                max_crashes=self.settings.max_attempts,
                lease_s=self.settings.lease_seconds,
            )
        except ServiceError as error:
            log.warning("tasks of dead workers wait for the sweeper", extra={"reason": str(error)})
        finally:
            await doorbell.close()
            await database.close()


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() if Path("/proc/self").exists() else True


if __name__ == "__main__":
    main()
