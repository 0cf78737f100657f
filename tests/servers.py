"""Databases of the test servers: a migrated template, and copies of it."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import asyncpg


@dataclass(frozen=True)
class Servers:
    """Addresses of the servers of this test session."""

    database_url: str
    redis_url: str

    def redis(self, number: int = 0) -> str:
        """Address of one of the databases of the Redis."""
        return f"{self.redis_url.rstrip('/').removesuffix('/0')}/{number}"


numbers = itertools.count(1)


@asynccontextmanager
async def fresh_database(servers: Servers, template: str) -> AsyncIterator[str]:
    """A copy of the migrated database for the length of the block."""
    name = f"acestep_test_{os.getpid()}_{next(numbers)}"
    await execute(servers.database_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield with_name(servers.database_url, name)
    finally:
        await execute(servers.database_url, f"DROP DATABASE {name} WITH (FORCE)")


def with_name(url: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await asyncio.shield(connection.close())
