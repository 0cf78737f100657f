"""Exports apart from the other events of tasks, waits of a team's tasks, usage of all teams by its days."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "task_exports",
        sa.Column("task_seq", sa.BigInteger(), nullable=False),
        sa.Column("export_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=True),
        sa.Column("form", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["task_seq"], ["tasks.seq"], name=op.f("fk_task_exports_task_seq")),
        sa.ForeignKeyConstraint(["export_id"], ["audit_log.id"], name=op.f("fk_task_exports_export_id")),
        sa.PrimaryKeyConstraint("task_seq", "export_id", name=op.f("pk_task_exports")),
    )
    op.execute(
        """
        CREATE FUNCTION task_exports_refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'task_exports is append-only';
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER task_exports_append_only BEFORE UPDATE ON task_exports "
        "FOR EACH ROW EXECUTE FUNCTION task_exports_refuse_update()"
    )
    op.add_column(
        "team_state",
        sa.Column(
            "waits",
            postgresql.ARRAY(sa.BigInteger()),
            server_default=sa.text("'{0,0,0,0,0,0,0,0,0,0,0,0,0}'"),
            nullable=False,
        ),
    )
    op.add_column(
        "team_state", sa.Column("waits_s", sa.Double(), server_default=sa.text("0"), nullable=False)
    )
    op.create_index("ix_usage_daily_of_all", "usage_daily", ["day"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_usage_daily_of_all", table_name="usage_daily")
    op.drop_column("team_state", "waits_s")
    op.drop_column("team_state", "waits")
    op.drop_table("task_exports")
    op.execute("DROP FUNCTION task_exports_refuse_update()")
