"""Rights of the roles that do not own the tables: that of the service, and one that only reads."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from app.db.engine import sqlalchemy_url
from app.domain.errors import ConflictError

_LOOK = (
    "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
    "GRANT USAGE ON SCHEMA public TO {role}",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
)
# What was recorded of a task stays as it is; the rest is what the statements of this package use. Of events a
# trigger lets nothing go but the content of an erased task.
_WORK = (
    *_LOOK,
    "GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
    "REVOKE UPDATE ON task_events, task_exports, task_params, objects FROM {role}",
    "REVOKE UPDATE, DELETE ON audit_log FROM {role}",
    "REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {role}",
    "GRANT UPDATE (labels) ON task_params TO {role}",
    "GRANT UPDATE (data) ON task_events TO {role}",
    "GRANT UPDATE (expires_at, deleted_at, delete_reason) ON objects TO {role}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
)
_FIND = text("SELECT oid, rolsuper FROM pg_roles WHERE rolname = :role")
_OWNS = text("""
SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public'
               AND pg_has_role(CAST(:oid AS oid), tableowner, 'MEMBER'))
""")


async def grant(url: str, *, app_role: str | None = None, reader_role: str | None = None) -> None:
    """Give roles what they need in a migrated schema and nothing else; to be repeated after a migration.

    Args:
        url: of the owner of the tables.
        app_role: for API and workers; it can change neither the schema nor what was recorded.
        reader_role: for reports.

    Raises:
        ConflictError: there is no such role, or it owns the tables and could do everything.
    """
    engine = create_async_engine(sqlalchemy_url(url), poolclass=NullPool, connect_args={"timeout": 5})
    quote = engine.dialect.identifier_preparer.quote_identifier
    try:
        async with engine.begin() as connection:
            for role, statements in ((app_role, _WORK), (reader_role, _LOOK)):
                if role is not None:
                    await _check(connection, role)
                    await _execute(connection, statements, quote(role))
    finally:
        await engine.dispose()


async def _check(connection: AsyncConnection, role: str) -> None:
    found = (await connection.execute(_FIND, {"role": role})).first()
    if found is None:
        raise ConflictError(f"the database has no role {role}")
    if found.rolsuper or await connection.scalar(_OWNS, {"oid": found.oid}):
        raise ConflictError(f"the role {role} owns the tables: rights would not hold it back")


async def _execute(connection: AsyncConnection, statements: Sequence[str], role: str) -> None:
    for statement in statements:
        await connection.exec_driver_sql(statement.format(role=role))
