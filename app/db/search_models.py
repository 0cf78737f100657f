"""What lists of tasks are found by: exact terms, words, and the indexes whose order is that of submission.

Every index begins with the team: a look for something of another team then costs what a look for nothing
does. Each alone answers a list with its filter, without reading a row, so that no wrong guess about how many
rows there are makes a walk over the history look cheaper. Those of ended tasks cost a claim nothing.
"""

from datetime import datetime

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
    __table_args__ = (Index("ix_task_terms_term", "team_id", "term", "created_at", "task_seq"),)

    task_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    term: Mapped[str] = mapped_column(Text, primary_key=True)
    team_id: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]


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


_ORDER = ("created_at", "seq")
_index("listed", "team_id", *_ORDER, where=LISTED)
_index("state", "team_id", "status", *_ORDER, where=ENDED)
_index("task_type", "team_id", "task_type", *_ORDER, where=ENDED)
_index("model", "team_id", "model", *_ORDER, where=ENDED)
_index("key", "team_id", "api_key_id", *_ORDER, where=ENDED)
_index("error_code", "team_id", "error_code", *_ORDER, where=f"{ENDED} AND error_code IS NOT NULL")
_index("finished", "team_id", "finished_at", *_ORDER, where=ENDED)
# The longest time from submission to end turns a bound of one into a bound of the other.
Index("ix_tasks_longest", Task.team_id, text("(finished_at - created_at)"), postgresql_where=text(ENDED))
_index("other_kinds", "finished_at", where="kind <> 'generate' AND finished_at IS NOT NULL")
Index("ix_objects_team_sha256", Object.team_id, Object.sha256)
# A row of `tasks` can only go where the rows that point to it are found by it.
Index("ix_objects_task", Object.task_seq)
Index("ix_webhook_deliveries_task", WebhookDelivery.task_seq)
