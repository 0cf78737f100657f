"""Give teams and keys the ids that the wire shows; the internal numbers stay inside."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("teams", "api_keys")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ADD COLUMN public_id uuid")
        op.execute(f"ALTER TABLE {table} ALTER COLUMN public_id SET DEFAULT gen_random_uuid()")
        op.execute(f"UPDATE {table} SET public_id = gen_random_uuid() WHERE public_id IS NULL")  # noqa: S608
        op.execute(f"ALTER TABLE {table} ALTER COLUMN public_id SET NOT NULL")
        op.create_unique_constraint(op.f(f"uq_{table}_public_id"), table, ["public_id"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in TABLES:
        op.drop_column(table, "public_id")
