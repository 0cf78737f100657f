"""Add the turns of teams, the seconds that a waiting task reserves, and the run times of usage."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OTHER_ENDS = "kind = 'generate' AND finished_at IS NOT NULL AND (status = 'cancelled' OR started_at IS NULL)"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # The block at the end commits what is above it: a run that ended there finds it done.
    for table, name in (
        ("team_state", "turn_start"),
        ("team_state", "turn_end"),
        ("tasks", "reserved_seconds"),
        ("usage_daily", "run_seconds"),
    ):
        op.add_column(table, _column(name, sa.DOUBLE_PRECISION(), "0"), if_not_exists=True)
    op.add_column("team_state", _column("still_waiting", sa.Boolean(), "false"), if_not_exists=True)
    op.add_column("usage_daily", _column("ran", sa.BigInteger(), "0"), if_not_exists=True)
    # Sums over tasks whose number was not kept are no basis for an average.
    op.execute("UPDATE usage_daily SET wait_seconds = 0")
    op.create_index("ix_usage_daily_day", "usage_daily", ["team_id", "day"], if_not_exists=True)
    # A table in use: nobody waits for this, and what an interrupted run left half made goes first.
    with op.get_context().autocommit_block():
        name = "ix_tasks_other_ends"
        op.drop_index(name, table_name="tasks", postgresql_concurrently=True, if_exists=True)
        op.create_index(
            name,
            "tasks",
            ["finished_at"],
            postgresql_concurrently=True,
            postgresql_where=sa.text(OTHER_ENDS),
        )


def _column(name: str, kind: TypeEngine[Any], default: str) -> "sa.Column[Any]":
    return sa.Column(name, kind, server_default=sa.text(default), nullable=False)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_tasks_other_ends", table_name="tasks")
    op.drop_index("ix_usage_daily_day", table_name="usage_daily")
    op.drop_column("usage_daily", "run_seconds")
    op.drop_column("usage_daily", "ran")
    op.drop_column("tasks", "reserved_seconds")
    for name in ("still_waiting", "turn_end", "turn_start"):
        op.drop_column("team_state", name)
