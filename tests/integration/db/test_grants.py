"""The role of the service does its work on tables of another one, and cannot rewrite what was recorded."""

import logging
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
import pytest_asyncio
from click.testing import CliRunner

from app.cli.service import main
from app.db.engine import Database
from app.db.grants import grant
from app.db.migrate import require_schema
from app.domain.errors import ConflictError
from app.main import build
from app.services.keys import Keys
from app.services.recovery import Recovery
from app.services.retention import Retention
from app.settings import load
from app.storage.folder import FolderStore
from tests.builders import MODEL
from tests.fakes import ListeningDoorbell
from tests.integration.api.conftest import PEPPER, a_tenant, running
from tests.servers import execute

APP, READER = f"acestep_test_app_{os.getpid()}", f"acestep_test_reader_{os.getpid()}"


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Commands set up logging for a process of their own."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    yield
    root.handlers[:] = handlers


@dataclass(frozen=True)
class Roles:
    """The same database as its owner, as the service and as a reader."""

    owner: str
    app: str
    reader: str


def as_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{role}:secret@{parts.hostname}:{parts.port}"))


@pytest_asyncio.fixture
async def roles(database_url: str) -> AsyncIterator[Roles]:
    for role in (APP, READER):
        await execute(database_url, f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    try:
        await grant(database_url, app_role=APP, reader_role=READER)
        yield Roles(database_url, as_role(database_url, APP), as_role(database_url, READER))
    finally:
        for role in (APP, READER):
            await execute(database_url, f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_the_service_works_as_a_role_that_owns_nothing(
    roles: Roles, redis_url: str, tmp_path: Path
) -> None:
    await require_schema(roles.app)
    db = Database(roles.app)
    tenant = await a_tenant(db, Keys(db, pepper=PEPPER.encode()), "team-a", tmp_path)
    settings = load(data_dir=tmp_path, config_path=MODEL)
    app = await build(settings, database_url=roles.app, redis_url=redis_url, pepper=PEPPER.encode())
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    requests = (
        ("POST", "/release_task", {"prompt": "x", "labels": {"a": "b"}, "webhook_url": "https://a.example/"}),
        ("PATCH", f"/v1/tasks/{tenant.waiting}", {"labels": {"c": "d"}, "priority": 0}),
        ("POST", f"/v1/tasks/{tenant.waiting}/cancel", None),
        ("POST", f"/v1/tasks/{tenant.waiting}/retry", None),
        ("POST", f"/v1/tasks/{tenant.done}/rerun", None),
        ("DELETE", f"/v1/tasks/{tenant.done}", None),
        ("POST", "/v1/teams/me/webhook-secret", None),
        ("POST", f"/v1/keys/{tenant.key_id}/rotate", None),
        ("GET", "/v1/tasks/export", None),
        ("GET", "/v1/usage", None),
    )
    async with (
        running(app),
        httpx.AsyncClient(transport=transport, base_url="http://test", headers=tenant.headers) as client,
    ):
        for verb, path, body in requests:
            response = await client.request(verb, path, json=body)
            assert response.status_code == 200, (verb, path, response.text)
    retention = Retention(db, FolderStore(tmp_path / "objects"), record_days=1)
    recovery = Recovery(db, ListeningDoorbell(), max_crashes=3, lease_s=30, retention=retention)
    await recovery.sweep()
    await retention.erase_old_records()
    await retention.forget_prompt_jobs()
    await db.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE task_events SET event = 'succeeded'",
        "UPDATE task_params SET params = '{}'",
        "UPDATE objects SET sha256 = ''",
        "UPDATE audit_log SET actor = 'somebody'",
        "DELETE FROM audit_log",
        "TRUNCATE tasks CASCADE",
        "UPDATE alembic_version SET version_num = '9999'",
        "CREATE TABLE mine (id int)",
        "ALTER TABLE tasks ADD COLUMN mine int",
        "DROP TABLE tasks CASCADE",
    ],
)
async def test_the_service_cannot_rewrite_what_was_recorded(roles: Roles, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(roles.app, statement)


async def test_a_reader_reads(roles: Roles) -> None:
    await execute(roles.reader, "SELECT count(*) FROM tasks")
    for statement in ("DELETE FROM tasks", "UPDATE teams SET name = 'x'", "CREATE TABLE mine (id int)"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await execute(roles.reader, statement)


async def test_a_role_that_rights_would_not_hold_back_is_refused(roles: Roles) -> None:
    owner = urlsplit(roles.owner).username
    with pytest.raises(ConflictError, match="owns the tables"):
        await grant(roles.owner, app_role=owner)
    with pytest.raises(ConflictError, match="has no role nobody"):
        await grant(roles.owner, reader_role="nobody")
    hostile = 'x"; DROP TABLE tasks; --'
    with pytest.raises(ConflictError, match="has no role"):
        await grant(roles.owner, app_role=hostile)


async def test_an_error_of_the_database_does_not_tell_the_words_of_a_user(database_url: str) -> None:
    """Its text reaches the log."""
    db = Database(database_url)
    with pytest.raises(Exception) as caught:
        async with db.transaction() as work:
            await work.keys._connection.exec_driver_sql(
                "SELECT 1 / $1::int FROM teams WHERE $2 <> ''", (0, "my song")
            )
    await db.close()
    assert "division by zero" in str(caught.value)
    assert "my song" not in str(caught.value)


def test_the_command_gives_rights(roles: Roles) -> None:
    command = ["migrate", "--app-role", APP, "--reader-role", READER]
    assert CliRunner(env={"DATABASE_URL": roles.owner}).invoke(main, command).exit_code == 0
    refused = CliRunner(env={"DATABASE_URL": roles.owner}).invoke(main, ["migrate", "--app-role", "nobody"])
    assert (refused.exit_code, "the database has no role nobody" in refused.output) == (1, True)
