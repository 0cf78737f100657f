"""`acestep-service`: the single processes of an installation, for hosts that run their own servers."""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Callable

import click
import uvicorn
import uvloop

from app import logs
from app.api.connection import Connection
from app.cli.configure import settings_or_exit
from app.cli.doctor import doctor
from app.cli.keys import key
from app.cli.models import models
from app.cli.secret_files import write_secrets
from app.cli.servers import servers
from app.cli.task import task
from app.cli.teams import team
from app.cli.verify import verify
from app.db.grants import grant
from app.db.migrate import migrate, require_schema
from app.domain.errors import (
    ConflictError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    SchemaMismatchError,
)
from app.main import build
from app.settings import Settings

log = logging.getLogger(__name__)

BACKLOG = 2048
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="acestep-service")
def main() -> None:
    """Run one part of the service; `acestep-api` runs all of them on one machine."""


main.add_command(team)
main.add_command(key)
main.add_command(task)
main.add_command(doctor)
main.add_command(verify)
main.add_command(models)
main.add_command(write_secrets)
main.add_command(servers)


@main.command()
@click.option("--host", "--api-host", "api_host", help="Address to listen on.")
@click.option("--port", "--api-port", "api_port", type=int, help="Port to listen on.")
def api(api_host: str | None, api_port: int | None) -> None:
    """Serve the HTTP API."""
    settings = settings_or_exit(api_host=api_host, api_port=api_port)
    logs.configure(settings.log_level, secrets=settings.secrets, form=settings.log_format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


@main.command()
def worker() -> None:
    """Run a worker beside a GPU."""
    _require(settings_or_exit(), "database_url", "redis_url")
    os.execv(sys.executable, [sys.executable, "-P", "-m", "workers"])  # noqa: S606


@main.command("migrate")
@click.option("--app-role", help="Role of API and workers: may neither alter tables nor rewrite records.")
@click.option("--reader-role", help="Role for reports: may only read.")
def migrate_command(app_role: str | None, reader_role: str | None) -> None:
    """Bring the database to the newest schema, as the owner of its tables, and give existing roles rights."""
    settings = settings_or_exit()
    logs.configure(settings.log_level, secrets=settings.secrets, form=settings.log_format)
    (database_url,) = _require(settings, "database_url")
    try:
        asyncio.run(_migrate(database_url, app_role=app_role, reader_role=reader_role))
    except (DatabaseUnavailableError, DatabaseRefusedError) as error:
        raise click.ClickException(f"{error}; check DATABASE_URL") from None
    except ConflictError as error:
        raise click.ClickException(str(error)) from None
    click.echo("the schema is up to date")


async def _migrate(url: str, *, app_role: str | None, reader_role: str | None) -> None:
    await migrate(url)
    if app_role or reader_role:
        await grant(url, app_role=app_role, reader_role=reader_role)


def _require(settings: Settings, *fields: str) -> list[str]:
    """Return the values of settings that this command cannot do without, or end naming all missing ones."""
    values = {field: getattr(settings, field) for field in fields}
    missing = [
        str(Settings.model_fields[field].validation_alias)
        for field, value in values.items()
        if value is None or not value.get_secret_value()
    ]
    if missing:
        raise click.ClickException(
            f"not set: {', '.join(missing)}; `acestep-api` starts its own servers, this command needs yours"
        )
    return [str(value.get_secret_value()) for value in values.values()]


async def _serve(settings: Settings) -> None:
    database_url, redis_url, pepper = _require(settings, "database_url", "redis_url", "key_pepper")
    try:
        await require_schema(database_url)
        app = await build(settings, database_url=database_url, redis_url=redis_url, pepper=pepper.encode())
    except (DatabaseUnavailableError, DatabaseRefusedError) as error:
        raise click.ClickException(f"{error}; check DATABASE_URL") from None
    except SchemaMismatchError as error:
        raise click.ClickException(str(error)) from None
    config = uvicorn.Config(
        app,
        http=Connection,
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=10,
    )
    if settings.api_host not in LOOPBACK and await app.state["context"].auth.is_open():
        log.warning("other machines can submit tasks without a key: set ACESTEP_API_KEY or make a key")
    with listen(settings.api_host, settings.api_port, shared=settings.api_workers > 1) as listening:
        await _Server(config, on_stop=app.state["context"].services.streams.end).serve(sockets=[listening])


class _Server(uvicorn.Server):
    """Ends open streams when it is told to stop: they would hold the process until its grace is over."""

    def __init__(self, config: uvicorn.Config, *, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stop()
        await super().shutdown(sockets)


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Open the listening socket, or end with one line that says who to ask.

    Args:
        shared: several API processes listen on one port, and the kernel deals the connections out.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Head and body of an answer are two writes: without this a kept connection waits 40 ms for each answer.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if shared:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise click.ClickException(
            f"cannot listen on {host}:{port} ({error.strerror}); "
            "choose another port with --port or ACESTEP_API_PORT"
        ) from None
    return listening


if __name__ == "__main__":
    main()
