"""What the commands for teams and keys share: the way to the database, and how answers are printed."""

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Console
from rich.table import Table

from app import logs
from app.cli.configure import settings_or_exit
from app.db.engine import Database
from app.db.migrate import require_schema
from app.domain.authority import Authority
from app.domain.errors import ServiceError
from app.domain.wire_json import rfc3339
from app.embedded.errors import EmbeddedError
from app.embedded.running import find_running, known_secrets
from app.services.keys import Keys
from app.services.teams import Teams
from app.settings import Settings

T = TypeVar("T")

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Teams and keys of one installation, and on whose behalf they are changed."""

    teams: Teams
    keys: Keys
    by: Authority


def ask(question: Callable[[Office], Awaitable[T]]) -> T:
    """Put a question to the configured or the running service, or end with one line."""
    settings = settings_or_exit()
    logs.configure("warning", secrets=settings.secrets)
    try:
        return asyncio.run(_ask(settings, question))
    except (EmbeddedError, ServiceError) as error:
        raise click.ClickException(str(error)) from None


async def _ask(settings: Settings, question: Callable[[Office], Awaitable[T]]) -> T:
    url, pepper = await _find(settings)
    await require_schema(url, wait_s=5)
    database = Database(url, pool_size=1, application_name="acestep-cli")
    try:
        office = Office(
            teams=Teams(database),
            keys=Keys(database, pepper=pepper.encode()),
            by=Authority.operator(f"cli:{_user()}"),
        )
        return await question(office)
    finally:
        await database.close()


async def _find(settings: Settings) -> tuple[str, str]:
    """Address of the database and pepper: as configured, else those of the `acestep-api` that runs here."""
    pepper = settings.key_pepper.get_secret_value()
    if settings.database_url is None:
        running = await find_running(settings.data_dir)
        return running.database_url, pepper or running.pepper
    if not pepper:
        # An `acestep-api` with a database of the operator keeps its pepper in the data folder, too.
        secrets = known_secrets(settings.data_dir)
        if secrets is None:
            raise EmbeddedError("ACESTEP_KEY_PEPPER is not set; keys need the same secret as the API")
        pepper = secrets.pepper
    return settings.database_url.get_secret_value(), pepper


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return "unknown"


def print_json(value: Any) -> None:
    """Print one JSON document; times as the API writes them."""
    click.echo(msgspec.json.format(msgspec.json.encode(_plain(value)), indent=2).decode())


def print_details(item: Mapping[str, Any]) -> None:
    """Print the parts of one thing, a line each; what is not set is empty."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in item.items():
        table.add_row(name.replace("_", " "), _cell(value))
    Console(highlight=False, markup=False).print(table)


def print_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Print the named columns of every row; an empty cell is a value that is not set."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    Console(highlight=False, markup=False).print(table)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return rfc3339(value) if isinstance(value, datetime) else value


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, list):
        return " ".join(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
