"""What polls, submissions, claims and pages read goes by an index, beside a long history and a long queue."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import TextClause, text

from app.db import (
    audit,
    claim_statements,
    events,
    history,
    keys,
    operations,
    queue,
    stats,
    teams,
    usage,
    views,
)
from tests.integration.db.conftest import History

ALL_TEAMS = "CAST(:team_id AS bigint) IS NULL"
SMALL = {"teams", "team_state", "workers", "settings", "webhook_endpoints", "lines", "ready"}
IDS = [UUID(int=number) for number in range(20)]
CLAIM = {
    "worker_id": uuid4(),
    "models": ["acestep-v15-turbo"],
    "kinds": ["generate"],
    "has_lm": True,
    "lease_s": 30.0,
}
ROOM = {"most": 200, "places": 1, "priority": 0, "ageing_s": 600.0}
PLANS: list[tuple[str, TextClause, dict[str, Any], set[str]]] = [
    (
        "stats",
        stats._NUMBERS,
        {"window": 50, "lease_s": 30.0},
        {"ix_tasks_queued", "ix_tasks_running", "ix_tasks_average"},
    ),
    ("poll", views._BY_IDS, {"ids": IDS}, {"uq_tasks_id", "pk_task_params", "uq_objects_output"}),
    ("places", views._POSITIONS, {"ids": IDS}, {"uq_tasks_id", "ix_tasks_claim"}),
    ("room", queue._ROOM, ROOM, {"ix_tasks_queued", "ix_tasks_claim"}),
    ("claim", claim_statements.CLAIM, CLAIM, {"ix_tasks_claim", "pk_tasks"}),
    ("eligible", claim_statements.ELIGIBLE, CLAIM, {"ix_tasks_claim"}),
    ("record", history._BY_ID, {"id": IDS[0]}, {"uq_tasks_id"}),
    ("events of records", history._EVENTS, {"seqs": [1, 2]}, {"ix_task_events_task", "pk_task_exports"}),
    ("live", events._LIVE, {}, {"ix_tasks_running"}),
    ("keys", keys._PAGE, {"reach": None, "team": None, "after": None, "most": 51}, {"pk_api_keys"}),
    ("caller", keys._BY_HASH, {"hash": b"x"}, {"uq_api_keys_hash"}),
    ("teams", teams._PAGE, {"after": None, "most": 51}, set()),
    ("audit log", audit._PAGE, {"before": 4000, "most": 51}, {"pk_audit_log"}),
    ("load", operations._LIVE, {}, {"ix_tasks_queued", "ix_tasks_running"}),
    ("last hour", operations._LAST_HOUR, {}, {"ix_tasks_average", "ix_tasks_other_ends"}),
]


async def plan(history: History, statement: TextClause, values: dict[str, Any]) -> str:
    async with history.db.autocommit() as work:
        connection = work.stats._connection
        lines = await connection.execute(text(f"EXPLAIN {statement.text}"), values)
        return "\n".join(line[0] for line in lines)


def used(plan: str) -> set[str]:
    return set(re.findall(r"(?:using|on) ((?:ix|pk|uq)_\w+)", plan))


def scanned(plan: str) -> set[str]:
    return set(re.findall(r"Seq Scan on (\w+)", plan)) - SMALL


@pytest.mark.parametrize(
    ("statement", "values", "indexes"), [each[1:] for each in PLANS], ids=[each[0] for each in PLANS]
)
async def test_it_is_read_by_its_indexes(
    history: History, statement: TextClause, values: dict[str, Any], indexes: set[str]
) -> None:
    for team in (history.team, None) if ALL_TEAMS in statement.text else (history.team,):
        shown = await plan(history, statement, values | {"team_id": team})
        assert indexes <= used(shown), shown
        assert not scanned(shown), shown


@pytest.mark.parametrize("groups", [("day",), ("key", "day"), ("team", "model")])
async def test_usage_is_read_by_its_days(history: History, groups: tuple[str, ...]) -> None:
    today = history.now.date()
    values = {"first": today - timedelta(days=2), "last": today, "most": 10, "team": None, "model": None}
    of_all = "ix_usage_daily_of_all"
    for owner, indexes in ((history.team, {"ix_usage_daily_day", of_all}), (None, {of_all})):
        shown = await plan(history, usage.sums_by(groups), {**values, "key_id": None, "owner": owner})
        assert indexes & used(shown), shown
        assert "usage_daily" not in scanned(shown), shown
