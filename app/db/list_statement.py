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
_HASH = """t.seq IN (
    SELECT o.task_seq FROM objects o WHERE o.team_id = g.team_id AND o.sha256 = :sha256
    UNION ALL
    SELECT f.task_seq FROM task_terms f WHERE f.team_id = g.team_id AND f.term = :hash_term)"""
_WORDS = "w.words @> CAST(:words AS text[])"
_WORDS_OF_TEAM = "w.words @> ARRAY(SELECT g.team_id || ':' || word FROM unnest(CAST(:words AS text[])) word)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the statement of a list is made of, beside its values.

    Attributes:
        terms: how many exact terms the tasks must have.
        has_rare_words: what has the words of `q` is looked up first.
        is_continued: the list goes on after a task.
        with_erased: what was erased is found too.
    """

    filters: Filters
    terms: int
    is_of_many_teams: bool
    has_rare_words: bool
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
    one, many = "(VALUES (CAST(:team_id AS bigint)))", "unnest(CAST(:team_ids AS bigint[]))"
    teams = many if shape.is_of_many_teams else one
    parts = "\nUNION ALL\n".join(f"({part}{limit})" for part in _parts(shape))
    return f"""
SELECT seq FROM {teams} AS g(team_id) CROSS JOIN LATERAL (
{parts}
) AS page {_order(shape, "created_at", "seq")}{limit}"""  # noqa: S608


def _parts(shape: Shape) -> list[str]:
    filters = shape.filters
    if shape.has_rare_words:
        return [_with_rare_words(shape)]
    tables, conditions = ["tasks t"], _conditions(shape)
    if filters.q is not None:
        tables.append("task_words w")
        conditions.append(f"w.task_seq = t.seq AND {_WORDS}")
    return [
        _part(shape, tables, [state, *conditions], ("t.created_at", "t.seq")) for state in _states(filters)
    ]


def _with_rare_words(shape: Shape) -> str:
    """Look up what has the words, put it in order, and judge one task after the other until a page is full.

    The planner cannot tell a word that few tasks have from one that none has, and would rather walk through
    the whole history.
    """
    words = _WORDS_OF_TEAM if shape.is_of_many_teams else _WORDS
    matching = " AND ".join([words, *_bounds(shape, "w.created_at", "w.task_seq")])
    order = _order(shape, "w.created_at", "w.task_seq")
    tables = f"""(
    SELECT w.task_seq, w.created_at FROM task_words w WHERE {matching} {order} OFFSET 0) w
    CROSS JOIN LATERAL (SELECT * FROM tasks WHERE seq = w.task_seq LIMIT 1) t"""  # noqa: S608
    states = ["t.status = ANY(CAST(:state AS text[]))"] if shape.filters.state else []
    return _part(shape, [tables], [*states, *_conditions(shape)], ("w.created_at", "w.task_seq"))


def _part(shape: Shape, tables: list[str], conditions: list[str], order: tuple[str, str]) -> str:
    tables = [*tables, *(f"task_terms f{number}" for number in range(shape.terms))]
    return (
        f"SELECT t.created_at, t.seq FROM {', '.join(tables)} WHERE {' AND '.join(conditions)} "  # noqa: S608
        + _order(shape, *order)
    )


def _states(filters: Filters) -> list[str]:
    """Conditions that cut a list into parts, each of which has an index of its own."""
    by_column = {name for name in _COLUMNS if getattr(filters, name) is not None}
    if filters.state:
        return [_state(TaskStatus(state)) for state in filters.state]
    if not by_column:
        return ["true"]
    live = () if by_column & set(_OF_ENDED) else (TaskStatus.QUEUED, TaskStatus.RUNNING)
    return [_IS_ENDED, *map(_state, live)]


def _state(state: TaskStatus) -> str:
    is_state = f"t.status = '{state.value}'"
    return f"{is_state} AND {_IS_ENDED}" if state.is_final else is_state


def _conditions(shape: Shape) -> list[str]:
    filters = shape.filters
    conditions = ["t.team_id = g.team_id", "t.kind = 'generate'", *_bounds(shape, "t.created_at", "t.seq")]
    if not shape.with_erased:
        conditions.append("t.deleted_at IS NULL")
    for number in range(shape.terms):
        f = f"f{number}"
        conditions += [f"{f}.task_seq = t.seq", f"{f}.created_at = t.created_at"]
        conditions += [f"{f}.team_id = g.team_id", f"{f}.term = :term_{number}"]
        # The planner does not carry bounds over a join.
        conditions += _bounds(shape, f"{f}.created_at", f"{f}.task_seq")
    if filters.sha256 is not None:
        conditions.append(_HASH)
    return conditions + [_COLUMNS[name] for name in _COLUMNS if getattr(filters, name) is not None]


def _bounds(shape: Shape, created_at: str, seq: str) -> list[str]:
    filters, bounds = shape.filters, []
    if shape.is_continued:
        side = "<" if shape.newest_first else ">"
        bounds.append(f"({created_at}, {seq}) {side} (CAST(:last_created_at AS timestamptz), :last_seq)")
    if filters.created_after is not None:
        bounds.append(f"{created_at} >= :created_after")
    if filters.created_before is not None:
        bounds.append(f"{created_at} < :created_before")
    # No task ends before it was created, nor later after that than the one that took longest.
    if filters.finished_before is not None:
        bounds.append(f"{created_at} < :finished_before")
    if filters.finished_after is not None:
        bounds.append(f"{created_at} >= :earliest")
    return bounds


def _order(shape: Shape, created_at: str, seq: str) -> str:
    way = "DESC" if shape.newest_first else "ASC"
    return f"ORDER BY {created_at} {way}, {seq} {way}"
