"""The database: connections, transactions, and one meaning for every lost connection."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg
import msgspec
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.db.unit_of_work import UnitOfWork
from app.domain.errors import DatabaseUnavailableError

log = logging.getLogger(__name__)
T = TypeVar("T")

# Lost connection, no resources (disk full, too many connections), shutdown and start-up, a time limit, a lock
# not had, read-only after a failover, an idle connection ended, broken storage, a deadlock: all may pass.
UNAVAILABLE_SQLSTATES = ("08", "53", "57P", "57014", "55P03", "25P03", "25006", "58", "40")
# A table or column that is not there, or not any more as a prepared statement knows it: the schema is another
# than this program's until its migration has run.
OTHER_SCHEMA_SQLSTATES = ("42P01", "42703", "0A000")

IDLE_S = 10
"""Longest pause inside a transaction."""

_WAIT = text("SELECT set_config('idle_in_transaction_session_timeout', :time, true)")


def sqlalchemy_url(url: str) -> URL:
    """Turn a `postgresql://` URL into the one that selects asyncpg, which calls `sslmode` `ssl`."""
    parsed = make_url(url).set(drivername="postgresql+asyncpg")
    if "sslmode" in parsed.query:
        mode = parsed.query["sslmode"]
        parsed = parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return parsed


class Database:
    """Pool of connections to one Postgres; every failure to reach it is a DatabaseUnavailableError."""

    def __init__(self, url: str, *, pool_size: int = 16, application_name: str = "acestep") -> None:
        self._engine: AsyncEngine = create_async_engine(
            sqlalchemy_url(url),
            pool_size=pool_size,
            max_overflow=0,
            hide_parameters=True,  # the texts of errors go into logs, the words of users do not
            pool_timeout=5,
            json_deserializer=msgspec.json.decode,
            connect_args={
                "timeout": 5,
                "command_timeout": 15,
                "server_settings": {
                    "application_name": application_name,
                    "lock_timeout": "2s",
                    "statement_timeout": "10s",
                    "idle_in_transaction_session_timeout": f"{IDLE_S}s",
                },
            },
        )
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[UnitOfWork]:
        """One transaction: committed at the end of the block, rolled back on any error."""
        async with self._reachable(), self._engine.begin() as connection:
            yield UnitOfWork(connection)

    @asynccontextmanager
    async def snapshot(self, *, idle_s: int = IDLE_S) -> AsyncIterator[UnitOfWork]:
        """Several reads of one state of the database.

        Args:
            idle_s: longest pause between them, in which the state is kept.
        """
        engine = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        async with self._reachable(), engine.begin() as connection:
            if idle_s != IDLE_S:
                await connection.execute(_WAIT, {"time": f"{idle_s}s"})
            yield UnitOfWork(connection)

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[UnitOfWork]:
        """Each statement is a transaction of its own: one round trip instead of three."""
        async with self._reachable(), self._autocommit.connect() as connection:
            yield UnitOfWork(connection)

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    @asynccontextmanager
    async def _reachable(self) -> AsyncIterator[None]:
        try:
            yield
        except (DBAPIError, OSError, TimeoutError, PoolTimeoutError, asyncpg.PostgresError) as error:
            if not is_unavailable(error):
                raise
            # Texts of drivers can hold addresses; the public text does not.
            if _sqlstate(error).startswith(OTHER_SCHEMA_SQLSTATES):
                log.error("the schema is not this program's: acestep-service migrate", exc_info=error)
            else:
                log.warning("database not available", extra={"reason": type(error).__name__})
            raise DatabaseUnavailableError from error


def is_unavailable(error: BaseException) -> bool:
    """Whether the error says that the database cannot be reached now, not that a statement is wrong."""
    if isinstance(error, OSError | TimeoutError | PoolTimeoutError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if _sqlstate(error).startswith(UNAVAILABLE_SQLSTATES + OTHER_SCHEMA_SQLSTATES):
        return True
    origin = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(error, OperationalError) or isinstance(
        getattr(origin, "__cause__", None), asyncpg.InterfaceError | OSError | TimeoutError
    )


def _sqlstate(error: BaseException) -> str:
    origin = error.orig if isinstance(error, DBAPIError) else error
    return getattr(origin, "sqlstate", None) or ""


async def retrying(
    operation: Callable[[], Awaitable[T]], *, limit_s: float, first_delay_s: float = 0.05
) -> T:
    """Repeat an operation that is safe to repeat while the database is away.

    Args:
        operation: called anew for each try.
        limit_s: seconds after which the last DatabaseUnavailableError is raised.
        first_delay_s: doubled after every try, with jitter, at most one second.
    """
    deadline = asyncio.get_running_loop().time() + limit_s
    delay = first_delay_s
    while True:
        try:
            return await operation()
        except DatabaseUnavailableError:
            if asyncio.get_running_loop().time() + delay > deadline:
                raise
            await asyncio.sleep(delay * random.uniform(0.8, 1.2))
            delay = min(delay * 2, 1.0)
