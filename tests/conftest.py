"""Real Postgres and Valkey for every test that wants them: the embedded ones, or those of the environment."""

import logging
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from app.db.engine import Database
from app.db.migrate import migrate
from app.domain.task import TeamId
from app.embedded.stack import embedded_stack
from tests.servers import Servers, execute, fresh_database, numbers, with_name

TEMPLATE = "acestep_test_template"
MADE_FOR_THIS_RUN = re.compile(r"ace_\w{20,}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a parameter that holds a key or id made for this run the same in every run and process."""
    stable = MADE_FOR_THIS_RUN.sub("made", val) if isinstance(val, str) else val
    return stable if isinstance(stable, str) and stable != val else None


@pytest.fixture(autouse=True)
def _log_level_as_before() -> Iterator[None]:
    """Commands that run inside a test set the level of the whole process."""
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder that other users can pass through; pytest's own are closed to the user of Postgres."""
    folder = Path(tempfile.mkdtemp(prefix="acestep-tests-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture(scope="session")
async def servers(open_folder: Path) -> AsyncIterator[Servers]:
    """One Postgres and one Valkey for the session, without fsync: tests of crashes start their own."""
    async with embedded_stack(
        open_folder / "data",
        database_url=os.environ.get("DATABASE_URL"),
        redis_url=os.environ.get("REDIS_URL"),
        fsync=False,
    ) as stack:
        yield Servers(stack.database_url, stack.redis_url)


@pytest_asyncio.fixture(scope="session")
async def template(servers: Servers) -> str:
    """A migrated database that tests copy."""
    await execute(servers.database_url, f"DROP DATABASE IF EXISTS {TEMPLATE}")
    await execute(servers.database_url, f"CREATE DATABASE {TEMPLATE}")
    await migrate(with_name(servers.database_url, TEMPLATE))
    return TEMPLATE


@pytest_asyncio.fixture
async def database_url(servers: Servers, template: str) -> AsyncIterator[str]:
    """An empty, migrated database of this test's own."""
    async with fresh_database(servers, template) as url:
        yield url


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest_asyncio.fixture
async def team(db: Database) -> TeamId:
    async with db.autocommit() as work:
        return await work.keys.default_team()


@pytest.fixture
def redis_url(servers: Servers) -> str:
    """A Redis database that no other running test uses."""
    return servers.redis(next(numbers) % 15 + 1)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One CPU thread for torch: threads that wait for each other mostly measure the machine's other load."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
