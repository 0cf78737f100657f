"""The migrations make exactly the models, can be undone, and run once however many processes try."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.db import migrate as migrations
from app.db.engine import Database
from app.db.migrate import differences, head, migrate, require_schema
from app.domain.errors import DatabaseUnavailableError, SchemaMismatchError
from tests.servers import Servers, execute, with_name


@pytest.fixture
async def empty_url(servers: Servers) -> str:
    await execute(servers.database_url, "DROP DATABASE IF EXISTS acestep_test_empty WITH (FORCE)")
    await execute(servers.database_url, "CREATE DATABASE acestep_test_empty")
    return with_name(servers.database_url, "acestep_test_empty")


async def tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    return {row["tablename"] for row in rows}


async def test_migrations_equal_the_models(empty_url: str) -> None:
    await migrate(empty_url)
    await differences(empty_url)


async def test_the_last_migration_can_be_undone_and_repeated(empty_url: str) -> None:
    await migrate(empty_url)
    before = await tables(empty_url)
    await migrate(empty_url, target="-1")
    await migrate(empty_url)
    await differences(empty_url)
    assert await tables(empty_url) == before


async def test_processes_that_start_together_migrate_once(empty_url: str) -> None:
    await asyncio.gather(*(migrate(empty_url) for _ in range(4)))
    connection = await asyncpg.connect(empty_url)
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == head()
    assert await connection.fetchval("SELECT count(*) FROM teams") == 1
    await connection.close()


async def test_an_older_schema_is_refused(empty_url: str) -> None:
    await migrate(empty_url)
    await migrate(empty_url, target="-1")
    with pytest.raises(SchemaMismatchError, match="acestep-service migrate"):
        await require_schema(empty_url)


async def test_a_newer_schema_serves_this_program_unless_it_says_otherwise(empty_url: str) -> None:
    await migrate(empty_url)
    await execute(empty_url, "UPDATE alembic_version SET version_num = '9999'")
    await require_schema(empty_url)
    await execute(empty_url, f"INSERT INTO settings (key, value) VALUES ('schema_serves', '\"{head()}\"')")  # noqa: S608
    await require_schema(empty_url)
    await execute(empty_url, "UPDATE settings SET value = '\"9998\"' WHERE key = 'schema_serves'")
    with pytest.raises(SchemaMismatchError, match="has schema 9999"):
        await require_schema(empty_url)
    await migrate(empty_url)  # leaves it alone
    with pytest.raises(SchemaMismatchError):
        await require_schema(empty_url)


async def test_a_schema_that_does_not_fit_makes_the_database_unavailable(empty_url: str) -> None:
    await migrate(empty_url)
    database = Database(empty_url, pool_size=1)
    try:
        await execute(empty_url, "ALTER TABLE tasks RENAME COLUMN lane TO lanes")
        with pytest.raises(DatabaseUnavailableError):
            async with database.autocommit() as work:
                await work.sweeps.waiting_longer_than(1)
        await execute(empty_url, "ALTER TABLE tasks RENAME COLUMN lanes TO lane")
        async with database.autocommit() as work:
            assert await work.sweeps.waiting_longer_than(1) == []
    finally:
        await database.close()


async def test_a_migration_that_meets_a_busy_table_is_tried_again(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first try gives up at a lock that somebody holds; a later one finds the table free."""
    await migrate(empty_url)
    holder = await asyncpg.connect(empty_url)
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
    gave_up, run = asyncio.Event(), migrations._run

    def run_in_haste(connection: Connection, target: str) -> None:
        connection.execute(text("SET LOCAL lock_timeout = '100ms'"))
        try:
            connection.execute(text("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE"))
        except DBAPIError:
            gave_up.set()
            raise
        connection.commit()
        run(connection, target)

    monkeypatch.setattr(migrations, "_run", run_in_haste)
    undoing = asyncio.create_task(migrate(empty_url, target="-1"))
    await asyncio.wait_for(gave_up.wait(), 40)
    await transaction.rollback()
    await holder.close()
    await asyncio.wait_for(undoing, 40)
    with pytest.raises(SchemaMismatchError):
        await require_schema(empty_url)


async def test_a_migration_that_ended_between_its_parts_is_done_again(empty_url: str) -> None:
    """What comes before an index built beside the load is committed, and the version is not."""
    for version, made in (("0003", "ix_tasks_other_ends"), ("0004", "ix_objects_task")):
        await migrate(empty_url, target=version)
        connection = await asyncpg.connect(empty_url)
        await connection.execute("UPDATE alembic_version SET version_num = $1", f"{int(version) - 1:04}")
        await connection.execute(f"DROP INDEX {made}")
        await connection.close()
    await migrate(empty_url)
    await differences(empty_url)
