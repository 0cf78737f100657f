"""The SQL of a list: made of the filters in use, so that every list is read in the order of some index.

A filter that holds for few tasks must not make the database walk a whole history. Each filter therefore has
an index that begins with the team and ends in the order of submission. Those of ended tasks leave live ones
out (`search_models.py`), so a list with such a filter is read in parts, one for each state, and merged.
"""

from dataclasses import dataclass

from sqlalchemy import TextClause, text

from app.domain.filters import Filters
from app.domain.task import TaskStatus

_COLUMNS = {
    "task_type": "t.task_type = :task_type",
    "model": "t.model = :model",
    "key_id": "t.api_key_id = :api_key_id",
    "finished_after": "t.finished_at >= :finished_after",
    "finished_before": "t.finished_at < :finished_before",
    "error_code": "t.error_code = :error_code",
}
_OF_ENDED = ("finished_after", "finished_before", "error_code")
_IS_ENDED = "t.finished_at IS NOT NULL"
# Words of one team are constants, of whose number the planner knows; those of many are looked up first.
_WORDS = "t.seq = w.task_seq AND w.words @> CAST(:words AS text[])"
_WORDS_OF_MANY = """t.seq IN (
    SELECT w.task_seq FROM task_words w
    WHERE w.words @> ARRAY(SELECT g.team_id || ':' || word FROM unnest(CAST(:words AS text[])) word)
    OFFSET 0)"""
_HASH = """t.seq IN (
    SELECT o.task_seq FROM objects o WHERE o.team_id = g.team_id AND o.sha256 = :sha256
    UNION ALL
    SELECT f.task_seq FROM task_terms f WHERE f.team_id = g.team_id AND f.term = :hash_term)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the statement of a list is made of, beside its values.

    Attributes:
        terms: how many exact terms the tasks must have.
        is_continued: the list goes on after a task.
        with_erased: what was erased is found too.
    """

    filters: Filters
    terms: int
    is_of_many_teams: bool
    newest_first: bool
    is_continued: bool
    with_erased: bool


def page_statement(shape: Shape) -> TextClause:
    """Select the `seq` of the first `:most` tasks."""
    return text(_select(shape, " LIMIT :most"))


def whole_statement(shape: Shape) -> TextClause:
    """Select the `seq` of all tasks."""
    return text(_select(shape, ""))


def count_statement(shape: Shape) -> TextClause:
    """Count the tasks, at most `:most`."""
    # Parts of this file only.
    return text(f"SELECT count(*) FROM ({_select(shape, ' LIMIT :most')}) counted")  # noqa: S608


def _select(shape: Shape, limit: str) -> str:
    way = "DESC" if shape.newest_first else "ASC"
    end = f"ORDER BY created_at {way}, seq {way}{limit}"
    teams = (
        "unnest(CAST(:team_ids AS bigint[]))"
        if shape.is_of_many_teams
        else "(VALUES (CAST(:team_id AS bigint)))"
    )
    parts = "\nUNION ALL\n".join(f"({_part(shape, state)} {end})" for state in _states(shape.filters))
    return f"SELECT seq FROM {teams} AS g(team_id) CROSS JOIN LATERAL (\n{parts}\n) AS page {end}"  # noqa: S608


def _states(filters: Filters) -> list[str]:
    """Conditions that cut the list into parts, each of which has an index of its own."""
    by_column = [name for name in _COLUMNS if getattr(filters, name) is not None]
    if not filters.state:
        if not by_column:
            return ["true"]
        live = [] if set(by_column) & set(_OF_ENDED) else [TaskStatus.QUEUED, TaskStatus.RUNNING]
        return [_IS_ENDED, *map(_state, live)]
    return [_state(TaskStatus(state)) for state in filters.state]


def _state(state: TaskStatus) -> str:
    is_state = f"t.status = '{state.value}'"
    return f"{is_state} AND {_IS_ENDED}" if state.is_final else is_state


def _part(shape: Shape, state: str) -> str:
    filters = shape.filters
    tables = ["tasks t"]
    conditions = ["t.team_id = g.team_id", "t.kind = 'generate'", state, *_bounds(shape, "t", "t.seq")]
    if not shape.with_erased:
        conditions.append("t.deleted_at IS NULL")
    for number in range(shape.terms):
        f = f"f{number}"
        tables.append(f"task_terms {f}")
        conditions += [f"{f}.task_seq = t.seq", f"{f}.created_at = t.created_at"]
        conditions += [f"{f}.team_id = g.team_id", f"{f}.term = :term_{number}"]
        # The planner does not carry bounds over a join.
        conditions += _bounds(shape, f, f"{f}.task_seq")
    if filters.q is not None:
        if not shape.is_of_many_teams:
            tables.append("task_words w")
        conditions.append(_WORDS_OF_MANY if shape.is_of_many_teams else _WORDS)
    if filters.sha256 is not None:
        conditions.append(_HASH)
    conditions += [condition for name, condition in _COLUMNS.items() if getattr(filters, name) is not None]
    return f"SELECT t.created_at, t.seq FROM {', '.join(tables)} WHERE {' AND '.join(conditions)}"  # noqa: S608


def _bounds(shape: Shape, table: str, seq: str) -> list[str]:
    filters, bounds = shape.filters, []
    if shape.is_continued:
        side = "<" if shape.newest_first else ">"
        bounds.append(
            f"({table}.created_at, {seq}) {side} (CAST(:last_created_at AS timestamptz), :last_seq)"
        )
    if filters.created_after is not None:
        bounds.append(f"{table}.created_at >= :created_after")
    if filters.created_before is not None:
        bounds.append(f"{table}.created_at < :created_before")
    # No task ends before it was created, nor later after that than the one that took longest.
    if filters.finished_before is not None:
        bounds.append(f"{table}.created_at < :finished_before")
    if filters.finished_after is not None:
        bounds.append(f"{table}.created_at >= :earliest")
    return bounds
