"""Webhook attempts and their list, endpoints that can be deleted at any moment, numbers for monitoring."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "webhook_deliveries",
        sa.Column(
            "attempts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
    )
    op.drop_constraint(op.f("fk_webhook_deliveries_endpoint_id"), "webhook_deliveries", type_="foreignkey")
    op.create_index(
        "ix_webhook_deliveries_list",
        "webhook_deliveries",
        ["endpoint_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
    )
    op.create_index(
        "ix_webhook_deliveries_age", "webhook_deliveries", ["created_at"], postgresql_using="brin"
    )
    op.add_column("task_params", sa.Column("traceparent", sa.Text(), nullable=True))
    op.add_column(
        "workers",
        sa.Column("doorbell_failures", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.create_index(
        "ix_task_events_lost",
        "task_events",
        ["id"],
        postgresql_where=sa.text("event = 'heartbeat_lost'"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_task_events_lost", table_name="task_events")
    op.drop_column("workers", "doorbell_failures")
    op.drop_column("task_params", "traceparent")
    op.drop_index("ix_webhook_deliveries_age", table_name="webhook_deliveries")
    op.drop_index("ix_webhook_deliveries_list", table_name="webhook_deliveries")
    # Deliveries of endpoints that are gone could not have existed before.
    op.execute(
        "DELETE FROM webhook_deliveries d WHERE d.endpoint_id IS NOT NULL "
        "AND NOT EXISTS (SELECT FROM webhook_endpoints e WHERE e.id = d.endpoint_id)"
    )
    op.create_foreign_key(
        op.f("fk_webhook_deliveries_endpoint_id"),
        "webhook_deliveries",
        "webhook_endpoints",
        ["endpoint_id"],
        ["id"],
    )
    op.drop_column("webhook_deliveries", "attempts")
