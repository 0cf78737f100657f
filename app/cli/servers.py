"""`acestep-service servers FILE`: only Postgres and Valkey from the wheels, for processes started by hand."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from app import logs
from app.cli.configure import settings_or_exit
from app.embedded.errors import EmbeddedError
from app.embedded.stack import EmbeddedStack, embedded_stack
from app.settings import Settings


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def servers(file: Path) -> None:
    """Run Postgres and Valkey until Ctrl-C; FILE gets the variables with which the other parts find them."""
    settings = settings_or_exit()
    logs.configure(settings.log_level, secrets=settings.secrets, form=settings.log_format)
    try:
        asyncio.run(_serve(settings, file))
    except EmbeddedError as error:
        raise click.ClickException(str(error)) from None


async def _serve(settings: Settings, file: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with embedded_stack(
        settings.data_dir,
        pg_bin=Path(settings.pg_bin) if settings.pg_bin else None,
        redis_bin=Path(settings.redis_bin) if settings.redis_bin else None,
        pg_user=settings.pg_user or None,
    ) as stack:
        # Only who holds the data folder comes here: a second one leaves the file of the first alone.
        with _written(file, stack):
            click.echo(f"Postgres and Valkey run; {file} says where")
            await _until(stop, stack)


async def _until(stop: asyncio.Event, stack: EmbeddedStack) -> None:
    """Wait for the signal, or for a server that cannot be kept running."""
    watching = asyncio.create_task(stack.supervisor.watch())
    stopping = asyncio.create_task(stop.wait())
    done, waiting = await asyncio.wait((watching, stopping), return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for task in done:
        task.result()


@contextmanager
def _written(file: Path, stack: EmbeddedStack) -> Iterator[None]:
    """Keep the file for the length of the block, for this user only, and whole from its first moment."""
    draft = file.with_name(file.name + ".new")
    draft.unlink(missing_ok=True)
    lines = {
        "DATABASE_URL": stack.database_url,
        "REDIS_URL": stack.redis_url,
        "ACESTEP_KEY_PEPPER": stack.secrets.pepper,
    }
    draft.touch(mode=0o600, exist_ok=False)
    draft.write_text("".join(f"{name}='{value}'\n" for name, value in lines.items()))
    draft.rename(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
