"""Add the turns of teams, the seconds that a waiting task reserves, and the run times of usage."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMNS: tuple[tuple[str, str, TypeEngine[Any]], ...] = (
    ("team_state", "turn_start", sa.DOUBLE_PRECISION()),
    ("team_state", "turn_end", sa.DOUBLE_PRECISION()),
    ("tasks", "reserved_seconds", sa.REAL()),
    ("usage_daily", "ran", sa.BigInteger()),
    ("usage_daily", "run_seconds", sa.DOUBLE_PRECISION()),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, name, kind in COLUMNS:
        op.add_column(table, sa.Column(name, kind, server_default=sa.text("0"), nullable=False))
    # Sums over tasks whose count was not kept are no basis for an average.
    op.execute("UPDATE usage_daily SET wait_seconds = 0")
    op.create_index("ix_usage_daily_day", "usage_daily", ["team_id", "day"])
    op.create_index(
        "ix_tasks_other_ends",
        "tasks",
        ["finished_at"],
        postgresql_where=sa.text(
            "kind = 'generate' AND finished_at IS NOT NULL AND (status = 'cancelled' OR started_at IS NULL)"
        ),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_tasks_other_ends", table_name="tasks")
    op.drop_index("ix_usage_daily_day", table_name="usage_daily")
    for table, name, _ in reversed(COLUMNS):
        op.drop_column(table, name)
