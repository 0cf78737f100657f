"""Every list is read by an index in its order, whatever filter is in use, and however rare its tasks are."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.db import erasures
from app.db.list_statement import page_statement
from app.domain.filters import Filters
from app.domain.task import TeamId
from tests.integration.db.conftest import History

PAGE = 51


async def plan(history: History, team: TeamId | None, filters: Filters, **options: Any) -> str:
    async with history.db.snapshot() as work:
        found = await work.lists.find(team, filters, newest_first=True, **options)
        assert found is not None
        statement = page_statement(found.shape).text
        connection = work.lists._connection
        lines = await connection.execute(text(f"EXPLAIN {statement}"), {**found.values, "most": PAGE})
        return "\n".join(line[0] for line in lines)


def used(plan: str) -> set[str]:
    return set(re.findall(r"(?:using|on) ((?:ix|pk|uq)_\w+)", plan))


FILTERS = [
    (Filters(), "ix_tasks_listed"),
    (Filters(state=("succeeded",)), "ix_tasks_state"),
    (Filters(state=("failed", "cancelled")), "ix_tasks_state"),
    (Filters(state=("running",)), "ix_tasks_running"),
    (Filters(task_type="text2music"), "ix_tasks_task_type"),
    (Filters(task_type="lego"), "ix_tasks_task_type"),
    (Filters(task_type="extract"), "ix_tasks_task_type"),
    (Filters(model="acestep-v15-turbo"), "ix_tasks_model"),
    (Filters(model="acestep-v15-base"), "ix_tasks_model"),
    (Filters(model="unknown"), "ix_tasks_model"),
    (Filters(error_code="timeout"), "ix_tasks_error_code"),
    (Filters(error_code="internal"), "ix_tasks_error_code"),
    (Filters(error_code="validation"), "ix_tasks_error_code"),
    (Filters(seed=7919 * 1000), "ix_task_terms_term"),
    (Filters(labels=(("mood", "rare"),)), "ix_task_terms_term"),
    (Filters(labels=(("mood", "none"),)), "ix_task_terms_term"),
    (Filters(labels=(("project", "p8"), ("mood", "rare"))), "ix_task_terms_term"),
    (Filters(q="unheard"), "ix_task_words_words"),
    (Filters(q="nothing"), "ix_task_words_words"),
    (Filters(sha256="0" * 64), "ix_objects_team_sha256"),
    (Filters(parent_id=UUID(int=1)), "ix_task_terms_term"),
    (Filters(state=("failed",), task_type="cover"), "ix_tasks_task_type|ix_tasks_state"),
]


@pytest.mark.parametrize(("filters", "index"), FILTERS)
async def test_a_filter_has_its_index(history: History, filters: Filters, index: str) -> None:
    for team in (history.team, None):
        shown = await plan(history, team, filters)
        assert used(shown) & set(index.split("|")), shown
        assert "Seq Scan" not in shown, shown


async def test_the_tasks_of_a_key_are_found_by_their_index(history: History) -> None:
    async with history.db.autocommit() as work:
        statement = text("SELECT public_id FROM api_keys WHERE team_id = :team ORDER BY id LIMIT 5")
        ids = list(await work.lists._connection.scalars(statement, {"team": history.team}))
    for key_id in (ids[0], ids[4]):  # one that is used often, one that is not
        shown = await plan(history, history.team, Filters(key_id=key_id))
        assert "ix_tasks_key" in used(shown), shown
        assert "Seq Scan on tasks" not in shown, shown


async def test_times_are_bounds_of_the_index(history: History) -> None:
    hour = timedelta(hours=1)
    for filters, index in (
        (Filters(created_before=history.now - 10 * hour), "ix_tasks_listed"),
        (Filters(created_after=history.now - 10 * hour), "ix_tasks_listed"),
        (Filters(finished_after=history.now - hour / 10), "ix_tasks_finished"),
        (Filters(finished_before=history.now - hour), "ix_tasks_listed"),
        (Filters(state=("failed",), created_before=history.now - 10 * hour), "ix_tasks_state"),
    ):
        shown = await plan(history, history.team, filters)
        assert index in used(shown), shown
        assert "Seq Scan" not in shown, shown
        assert re.search(r"Index Cond: .*created_at|Index Cond: .*finished_at", shown), shown


@pytest.mark.parametrize(
    "filters", [Filters(), Filters(state=("succeeded",)), Filters(labels=(("project", "p8"),))]
)
async def test_a_cursor_is_a_bound_of_the_index(history: History, filters: Filters) -> None:
    async with history.db.snapshot() as work:
        found = await work.lists.find(history.team, filters, newest_first=True)
        assert found is not None
        seqs = await work.lists.page(found, most=5)
        (last,) = (await work.lists.items(history.team, seqs[-1:]))[-1:]
    shown = await plan(history, history.team, filters, last=last.id)
    assert re.search(r"Index Cond: .*ROW\(\w*\.?created_at, \w*\.?(task_)?seq\) < ROW", shown), shown
    assert "Seq Scan" not in shown


async def test_a_common_word_is_found_by_walking_back(history: History) -> None:
    shown = await plan(history, history.team, Filters(q="song"))
    assert used(shown) == {"ix_tasks_listed", "pk_task_words"}, shown


async def test_what_is_too_old_is_found_by_its_index(history: History) -> None:
    async with history.db.snapshot() as work:
        connection = work.lists._connection
        for statement, values, index in (
            (erasures._TOO_OLD, {"days": 1000, "most": 100}, "ix_tasks_finished"),
            (erasures._FORGET, {"days": 7, "most": 100}, "ix_tasks_other_kinds"),
        ):
            lines = await connection.execute(text(f"EXPLAIN {statement.text}"), values)
            shown = "\n".join(line[0] for line in lines)
            assert index in used(shown), shown
            assert "Seq Scan on tasks" not in shown, shown
