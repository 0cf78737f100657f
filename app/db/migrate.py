"""Brings the schema to the newest version, one process at a time."""

import asyncio
import logging
import random
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.db.engine import is_unavailable, sqlalchemy_url, sqlstate_of
from app.domain.errors import DatabaseRefusedError, DatabaseUnavailableError, SchemaMismatchError

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
_SERVES = text("SELECT value #>> '{}' FROM settings WHERE key = 'schema_serves'")
# Any constant of our own: every process that migrates takes this session lock.
LOCK_KEY = 0x0ACE57E9
# A deadlock, a lock not had in time.
BUSY_SQLSTATES = ("40", "55P03")
TRIES = 20


def config() -> Config:
    """Alembic's configuration, without a file."""
    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    settings.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return settings


def head() -> str:
    """The newest version that this code knows."""
    return ScriptDirectory.from_config(config()).get_current_head() or ""


async def migrate(url: str, *, target: str = "head", wait_s: float = 30) -> None:
    """Upgrade the schema under an advisory lock; later callers wait and find nothing to do.

    A schema of a newer program stays as it is; whether this one can work with it, `require_schema` says.

    Raises:
        DatabaseUnavailableError: no connection within `wait_s` seconds.
        DatabaseRefusedError: wrong user, password or database.
    """
    engine = create_async_engine(sqlalchemy_url(url), poolclass=NullPool, connect_args={"timeout": 5})
    try:
        await _until_reachable(engine, wait_s)
        async with engine.connect() as connection:
            await _lock(connection)
            try:
                found = await connection.run_sync(_revision)
                await connection.commit()  # migrations begin and end transactions of their own
                if not is_newer(found):
                    await _run_beneath_load(connection, target)
                await connection.commit()
            finally:
                await connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": LOCK_KEY})
                await connection.commit()
    finally:
        await engine.dispose()
    log.info("schema is up to date", extra={"known": head()})


async def _lock(connection: AsyncConnection) -> None:
    """Ask again and again: a statement that waits would hold the snapshot that an index build waits for."""
    while True:
        held = await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK_KEY})
        await connection.commit()
        if held:
            return
        await asyncio.sleep(0.1)


async def _run_beneath_load(connection: AsyncConnection, target: str) -> None:
    """Try a migration again that met a busy table or a deadlock: each can be done again."""
    for tries_left in reversed(range(TRIES)):
        try:
            await connection.run_sync(_run, target)
            break
        except DBAPIError as error:
            await connection.rollback()
            if tries_left == 0 or not sqlstate_of(error).startswith(BUSY_SQLSTATES):
                raise
            log.warning("the tables are busy, the migration is tried again", extra={"left": tries_left})
            await asyncio.sleep(random.uniform(0.2, 1.0))


def _run(connection: Connection, target: str) -> None:
    settings = config()
    settings.attributes["connection"] = connection
    if target.startswith("-"):
        command.downgrade(settings, target)
    else:
        command.upgrade(settings, target)


async def _until_reachable(engine: AsyncEngine, wait_s: float) -> None:
    deadline = asyncio.get_running_loop().time() + wait_s
    while True:
        try:
            async with engine.connect():
                return
        except Exception as error:
            sqlstate = sqlstate_of(error)
            if sqlstate.startswith(("28", "3D")):  # wrong user or password, no such database
                raise DatabaseRefusedError(f"the database refuses the connection: {sqlstate}") from error
            if not is_unavailable(error):
                raise
            if asyncio.get_running_loop().time() > deadline:
                raise DatabaseUnavailableError("the database did not answer") from error
            await asyncio.sleep(0.2)


async def require_schema(url: str, *, wait_s: float = 30) -> None:
    """Make sure that this code can work with the schema of the database, waiting for the database.

    A newer schema is fine during a roll-out, as migrations only add. One that takes something away raises
    the settings row `schema_serves` to the oldest version whose program still works.

    Raises:
        SchemaMismatchError: an older or a no longer fitting schema; the message says what to do.
        DatabaseUnavailableError: no connection within `wait_s` seconds.
    """
    engine = create_async_engine(sqlalchemy_url(url), poolclass=NullPool, connect_args={"timeout": 5})
    try:
        await _until_reachable(engine, wait_s)
        async with engine.connect() as connection:
            found = await connection.run_sync(_revision)
            serves = await connection.scalar(_SERVES) if is_newer(found) else None
    finally:
        await engine.dispose()
    if is_newer(found) and (serves is None or str(serves) <= head()):
        log.info("schema is newer than this program", extra={"version": found, "known": head()})
    elif found != head():
        raise SchemaMismatchError(
            f"the database has schema {found or 'none'}, this program needs {head()}: "
            "run `acestep-service migrate` with the newest release"
        )


def is_newer(revision: str | None) -> bool:
    """Whether a schema was made by a newer program than this one: versions are numbers that rise."""
    return revision is not None and revision > head()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


async def differences(url: str) -> None:
    """Compare models and schema (`alembic check`).

    Raises:
        alembic.util.AutogenerateDiffsDetected: they differ; the message lists how.
    """
    engine = create_async_engine(sqlalchemy_url(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_check)
    finally:
        await engine.dispose()


def _check(connection: Connection) -> None:
    settings = config()
    settings.attributes["connection"] = connection
    command.check(settings)
