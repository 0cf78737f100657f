"""Inputs that tasks share, keys of admins, tasks that need a language model, lists of a team's deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_REFUSE = """
CREATE OR REPLACE FUNCTION task_events_refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'task_events is append-only';
END $$
"""
# The content of an erased task leaves its events too; nothing else of them ever changes.
_REFUSE_BUT_ERASURE = """
CREATE OR REPLACE FUNCTION task_events_refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    allowed task_events;
BEGIN
    allowed := OLD;
    allowed.data := OLD.data - ARRAY['trace', 'message', 'set', 'removed'];
    IF NEW IS NOT DISTINCT FROM allowed
       AND EXISTS (SELECT FROM tasks WHERE seq = OLD.task_seq AND deleted_at IS NOT NULL) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'task_events is append-only';
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "task_inputs",
        sa.Column("object_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("task_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("object_id", "task_seq", name=op.f("pk_task_inputs")),
    )
    op.create_index("ix_task_inputs_task", "task_inputs", ["task_seq"])
    op.add_column("tasks", sa.Column("admin_team_id", sa.BigInteger(), nullable=True))
    op.add_column("tasks", sa.Column("admin_idempotency_key", sa.Text(), nullable=True))
    op.create_index(
        "uq_tasks_admin_idempotency",
        "tasks",
        ["admin_team_id", "admin_idempotency_key"],
        unique=True,
        postgresql_where=sa.text("admin_idempotency_key IS NOT NULL"),
    )
    op.add_column(
        "tasks", sa.Column("needs_lm", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    newest_first = [sa.text("team_id"), sa.text("created_at DESC"), sa.text("id DESC")]
    op.create_index("ix_webhook_deliveries_team", "webhook_deliveries", newest_first)
    op.create_index(
        "ix_webhook_deliveries_dead",
        "webhook_deliveries",
        newest_first,
        postgresql_where=sa.text("dead_at IS NOT NULL"),
    )
    op.execute(_REFUSE_BUT_ERASURE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(_REFUSE)
    op.drop_index("ix_webhook_deliveries_dead", table_name="webhook_deliveries")
    op.drop_index("ix_webhook_deliveries_team", table_name="webhook_deliveries")
    op.drop_column("tasks", "needs_lm")
    op.drop_index("uq_tasks_admin_idempotency", table_name="tasks")
    op.drop_column("tasks", "admin_idempotency_key")
    op.drop_column("tasks", "admin_team_id")
    op.drop_table("task_inputs")
