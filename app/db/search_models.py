"""What lists of tasks are found by: exact terms, words, and the indexes whose order is that of submission.

Every index begins with the team, so that a look for something of another team costs what a look for nothing
does. Those on `tasks` leave live rows out where they can: a claim then writes no entry, a finish only one.
"""

from sqlalchemy import BigInteger, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.models import Object, Task, WebhookDelivery

LISTED = "kind = 'generate' AND deleted_at IS NULL"
ENDED = f"{LISTED} AND finished_at IS NOT NULL"


class TaskTerm(Base):
    """One exact thing that a task is found by (`app/domain/terms.py`); gone with the content of the task.

    No foreign keys: the row is written with its task, and locks on a hot row would be taken for each.
    """

    __tablename__ = "task_terms"
    __table_args__ = (Index("ix_task_terms_term", "team_id", "term", "task_seq"),)

    task_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    term: Mapped[str] = mapped_column(Text, primary_key=True)
    team_id: Mapped[int] = mapped_column(BigInteger)


class TaskWords(Base):
    """The words of a task's texts, each with its team before it; gone with the content of the task."""

    __tablename__ = "task_words"
    __table_args__ = (
        # Entries are collected and moved in portions: an insert then writes an eighth of the log. The
        # portion is small, as whoever fills it moves it, and every look reads it.
        Index(
            "ix_task_words_words",
            "words",
            postgresql_using="gin",
            postgresql_with={"fastupdate": "on", "gin_pending_list_limit": "1024"},
        ),
    )

    task_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    words: Mapped[list[str]] = mapped_column(ARRAY(Text))


def _index(name: str, *columns: str, where: str) -> None:
    Index(f"ix_tasks_{name}", *(Task.__table__.c[column] for column in columns), postgresql_where=text(where))


_index("listed", "team_id", "seq", where=LISTED)
_index("state", "team_id", "status", "seq", where=ENDED)
_index("task_type", "team_id", "task_type", "seq", where=ENDED)
_index("model", "team_id", "model", "seq", where=ENDED)
_index("key", "team_id", "api_key_id", "seq", where=ENDED)
_index("error_code", "team_id", "error_code", "seq", where=f"{LISTED} AND error_code IS NOT NULL")
_index("created", "team_id", "created_at", where=ENDED)
_index("finished", "team_id", "finished_at", where=ENDED)
_index("other_kinds", "finished_at", where="kind <> 'generate' AND finished_at IS NOT NULL")
Index("ix_objects_team_sha256", Object.team_id, Object.sha256)
# A row of `tasks` can only go where the rows that point to it are found by it.
Index("ix_objects_task", Object.task_seq)
Index("ix_webhook_deliveries_task", WebhookDelivery.task_seq)
