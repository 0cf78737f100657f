"""`acestep-service doctor`: one line for each check, and one remedy where something is wrong."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from app import logs
from app.cli.configure import settings_or_exit
from app.cli.office import as_json, print_json
from app.db.engine import Database
from app.db.migrate import require_schema
from app.domain.errors import DatabaseRefusedError, DatabaseUnavailableError, SchemaMismatchError
from app.domain.findings import Finding, Health, fail, good, warn
from app.embedded.errors import EmbeddedError
from app.embedded.running import find_running, known_secrets
from app.queue.ping import ping
from app.services.checkup import Checkup
from app.settings import Settings
from app.storage.choose import choose_store

LITTLE_SPACE_GIB = 2.0
MARKS = {Health.OK: ("ok", "green"), Health.WARN: ("warn", "yellow"), Health.FAIL: ("FAIL", "red")}


@click.command()
@as_json
def doctor(as_json: bool) -> None:
    """Check this installation; the exit status is 1 if something does not work."""
    settings = settings_or_exit()
    logs.configure("error", secrets=settings.secrets)
    findings = [*_this_machine(settings), *asyncio.run(_servers(settings))]
    if as_json:
        print_json(findings)
    else:
        print_findings(findings)
    if any(finding.health is Health.FAIL for finding in findings):
        sys.exit(1)


def _this_machine(settings: Settings) -> Iterator[Finding]:
    yield good("configuration", "every variable is valid")
    yield _pepper(settings)
    for name, folder in (("data folder", settings.data_dir), ("scratch folder", settings.tmpdir)):
        yield _folder(name, folder)
    yield _models(settings)


def _pepper(settings: Settings) -> Finding:
    if settings.key_pepper.get_secret_value() or known_secrets(settings.data_dir) is not None:
        return good("key pepper", "is set")
    remedy = "set ACESTEP_KEY_PEPPER to the same secret on all API machines"
    if settings.database_url is None:
        return good("key pepper", "is made when acestep-api starts first")
    return warn("key pepper", "is not set: the API will not start here", remedy)


def _folder(name: str, folder: Path) -> Finding:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return fail(
            name, f"{existing} cannot be written to", "give this user the right, or name another folder"
        )
    free_gib = shutil.disk_usage(existing).free / 2**30
    if free_gib < LITTLE_SPACE_GIB:
        return warn(
            name, f"only {free_gib:.1f} GiB free at {existing}", "make room: results wait while it is full"
        )
    return good(name, f"{free_gib:.0f} GiB free at {existing}")


def _models(settings: Settings) -> Finding:
    """Ask the inference package, which may not be installed beside an API."""
    command = [sys.executable, "-P", "-m", "inference", "models", "check", "--models-dir"]
    arguments = [str(settings.data_dir / "models"), *settings.models]
    checked = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    names = ", ".join(settings.models)
    if checked.returncode == 0:
        return good("models", f"{names} can be loaded here")
    remedy = f"beside a worker: acestep-service models download {names}; an API alone needs none"
    return warn(
        "models",
        (checked.stderr.strip().splitlines() or ["cannot be checked"])[-1].removeprefix("Error: "),
        remedy,
    )


async def _servers(settings: Settings) -> list[Finding]:
    try:
        database_url, redis_url = await addresses(settings)
        await require_schema(database_url, wait_s=3)
    except EmbeddedError as error:
        return [fail("postgres", str(error), "start acestep-api, or set DATABASE_URL")]
    except (DatabaseUnavailableError, DatabaseRefusedError) as error:
        return [fail("postgres", str(error), "start it, or correct DATABASE_URL")]
    except SchemaMismatchError as error:
        return [fail("postgres", str(error), "acestep-service migrate")]
    database = Database(database_url, pool_size=1, application_name="acestep-doctor")
    try:
        checkup = Checkup(
            database,
            open_store=lambda: choose_store(**settings.store),
            ping_redis=lambda: ping(redis_url),
            lease_s=settings.lease_seconds,
        )
        return await checkup.run()
    finally:
        await database.close()


async def addresses(settings: Settings) -> tuple[str, str]:
    """Return where Postgres and Redis are: as configured, else those of the `acestep-api` that runs here."""
    redis = settings.redis_url.get_secret_value() if settings.redis_url else ""
    if settings.database_url:
        return settings.database_url.get_secret_value(), redis
    running = await find_running(settings.data_dir)
    return running.database_url, redis or running.redis_url or ""


def print_findings(findings: Sequence[Finding]) -> None:
    """Print a line each, and below it the remedy."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        word, colour = MARKS[finding.health]
        lines = [Text(finding.text)] + ([Text(f"→ {finding.remedy}", style="dim")] if finding.remedy else [])
        table.add_row(Text(word, style=colour), finding.check, Group(*lines))
    Console(highlight=False, markup=False).print(table)
