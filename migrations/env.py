"""Runs the migrations on the connection that `app.db.migrate` hands over."""

from alembic import context
from sqlalchemy import Connection

from app.db import models, search_models  # noqa: F401 - the second one adds to the first


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=models.Team.metadata,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
