"""Find tasks by terms, words and times: two tables, and indexes in the order of submission."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LISTED = "kind = 'generate' AND deleted_at IS NULL"
ORDER = ("created_at", "seq")
ENDED = f"{LISTED} AND finished_at IS NOT NULL"
INDEXES: tuple[tuple[str, str, list[Any], str | None], ...] = (
    ("ix_tasks_listed", "tasks", ["team_id", *ORDER], LISTED),
    ("ix_tasks_state", "tasks", ["team_id", "status", *ORDER], ENDED),
    ("ix_tasks_task_type", "tasks", ["team_id", "task_type", *ORDER], ENDED),
    ("ix_tasks_model", "tasks", ["team_id", "model", *ORDER], ENDED),
    ("ix_tasks_key", "tasks", ["team_id", "api_key_id", *ORDER], ENDED),
    (
        "ix_tasks_error_code",
        "tasks",
        ["team_id", "error_code", *ORDER],
        f"{ENDED} AND error_code IS NOT NULL",
    ),
    ("ix_tasks_finished", "tasks", ["team_id", "finished_at", *ORDER], ENDED),
    ("ix_tasks_longest", "tasks", ["team_id", sa.literal_column("(finished_at - created_at)")], ENDED),
    ("ix_tasks_other_kinds", "tasks", ["finished_at"], "kind <> 'generate' AND finished_at IS NOT NULL"),
    ("ix_objects_team_sha256", "objects", ["team_id", "sha256"], None),
    ("ix_objects_task", "objects", ["task_seq"], None),
    ("ix_webhook_deliveries_task", "webhook_deliveries", ["task_seq"], None),
)
REPLACED: tuple[tuple[str, str, list[Any]], ...] = (
    ("ix_tasks_history", "tasks", ["team_id", sa.literal_column("seq DESC")]),
    ("ix_objects_sha256", "objects", ["sha256"]),
)
TASKS = f"""
(SELECT seq, team_id, created_at, parent_id FROM tasks WHERE {LISTED}) t
JOIN task_params p ON p.task_seq = t.seq"""  # noqa: S608 - parts of this file only


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # The block at the end commits what is above it: a run that ended there finds it done.
    op.create_table(
        "task_terms",
        sa.Column("task_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("term", sa.Text(), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("task_seq", "term", name=op.f("pk_task_terms")),
        if_not_exists=True,
    )
    op.create_table(
        "task_words",
        sa.Column("task_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("words", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("task_seq", name=op.f("pk_task_words")),
        postgresql_with={"toast_tuple_target": "128"},
        if_not_exists=True,
    )
    _find_what_is_stored()
    op.create_index(
        "ix_task_terms_term", "task_terms", ["team_id", "term", "created_at", "task_seq"], if_not_exists=True
    )
    op.create_index(
        "ix_task_words_words",
        "task_words",
        ["words"],
        postgresql_using="gin",
        postgresql_with={"fastupdate": "on", "gin_pending_list_limit": "1024"},
        if_not_exists=True,
    )
    # Tables in use: nobody waits for these, and what an interrupted run left half made goes first.
    with op.get_context().autocommit_block():
        for name, table, columns, where in INDEXES:
            op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)
            op.create_index(
                name,
                table,
                columns,
                postgresql_concurrently=True,
                postgresql_where=sa.text(where) if where else None,
            )
        for name, table, _ in REPLACED:
            op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)


def _find_what_is_stored() -> None:
    for term, more in (
        ("'seed=' || v", "jsonb_array_elements_text(coalesce(p.params->'seeds', '[]')) v"),
        ("'label ' || length(k) || ' ' || k || '=' || v", "jsonb_each_text(p.labels) l(k, v)"),
        ("'sha256=' || (i->>'sha256')", "jsonb_array_elements(p.inputs) i"),
        ("'parent=' || parent_id", "(SELECT 1) one"),
    ):
        op.execute(
            "INSERT INTO task_terms (task_seq, team_id, created_at, term) "  # noqa: S608
            f"SELECT DISTINCT t.seq, t.team_id, t.created_at, {term} FROM {TASKS}, {more} "
            f"WHERE {term} IS NOT NULL ON CONFLICT DO NOTHING"
        )
    op.execute(
        f"""
        INSERT INTO task_words (task_seq, created_at, words)
        SELECT seq, created_at, words FROM (
            SELECT t.seq, t.created_at, ARRAY(
                SELECT t.team_id || ':' || lexeme
                FROM unnest(to_tsvector('simple', concat_ws(
                    E'\\n', p.params->>'prompt', p.params->>'lyrics', p.params->>'sample_query')))
                ORDER BY positions[1] LIMIT 1000) AS words
            FROM {TASKS}) found
        WHERE words <> '{{}}'
        ON CONFLICT DO NOTHING
        """  # noqa: S608
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name, table, columns in REPLACED:
        op.create_index(name, table, columns)
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table_name=table)
    op.drop_table("task_words")
    op.drop_table("task_terms")
