"""What streams, deliveries and monitoring read at every turn goes by an index, in a long history too."""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import TextClause, text

from app.db import deliveries, events, metrics
from app.db.engine import Database
from tests.bench.rows import BIG_TEAM, fill
from tests.servers import Servers, fresh_database

TASKS, EACH = 1000, 20
ENDPOINT, UNKNOWN = uuid4(), uuid4()
# Twenty ended deliveries and events for each task; one delivery and one lost lease among them all.
_MORE = f"""
INSERT INTO webhook_deliveries (id, team_id, endpoint_id, url, task_seq, event, body, delivered_at)
SELECT gen_random_uuid(), t.team_id, CASE n WHEN 1 THEN '{ENDPOINT}' ELSE gen_random_uuid() END,
       'https://example.org/', t.seq, 'task.succeeded', '{{}}',
       CASE WHEN n = 1 AND t.seq = (SELECT min(seq) FROM tasks) THEN NULL ELSE now() END
FROM tasks t, generate_series(1, {EACH}) n;
INSERT INTO task_events (task_seq, team_id, event, actor_kind)
SELECT t.seq, t.team_id, CASE WHEN n = 1 AND t.seq = (SELECT min(seq) FROM tasks)
                              THEN 'heartbeat_lost' ELSE 'stage' END, 'worker'
FROM tasks t, generate_series(1, {EACH}) n;
"""  # noqa: S608 - numbers of this file


@pytest_asyncio.fixture(scope="module")
async def filled(servers: Servers, template: str) -> AsyncIterator[Database]:
    async with fresh_database(servers, template) as url:
        await fill(url, TASKS)
        connection = await asyncpg.connect(url)
        await connection.execute(_MORE)
        for table in ("webhook_deliveries", "task_events", "tasks"):
            await connection.execute(f"VACUUM ANALYZE {table}")
        await connection.close()
        database = Database(url)
        yield database
        await database.close()


PLANS: list[tuple[TextClause, dict[str, Any], str]] = [
    (deliveries._TAKE, {"busy": [], "most": 8, "hold_s": 30.0}, "ix_webhook_deliveries_due"),
    (deliveries._WAITING, {}, "ix_webhook_deliveries_due"),
    (
        deliveries._PAGE,
        {"endpoint_id": ENDPOINT, "after_id": None, "after_at": None, "limit": 51},
        "ix_webhook_deliveries_list",
    ),
    (
        deliveries.PAGES_OF_TEAM[None, False],
        {"after_id": None, "after_at": None, "limit": 51},
        "ix_webhook_deliveries_team",
    ),
    (
        deliveries.PAGES_OF_TEAM["dead", False],
        {"after_id": None, "after_at": None, "limit": 51},
        "ix_webhook_deliveries_dead",
    ),
    (
        deliveries.PAGES_OF_TEAM[None, True],
        {"task_id": UNKNOWN, "after_id": None, "after_at": None, "limit": 51},
        "ix_webhook_deliveries_task",
    ),
    (events._NEWEST, {}, "pk_task_events"),
    (events._AFTER, {"after": 10**9, "most": 2000, "everyone": False, "teams": []}, "pk_task_events"),
    (events._MISSED_OF_TASK, {"task_id": UNKNOWN, "after": 5}, "ix_task_events_task"),
    (events._PRESENT, {"task_id": UNKNOWN}, "uq_tasks_id"),
    (events._LIVE, {}, "ix_tasks_running"),
    (events._OF_SEQS, {"seqs": [1, 2, 3]}, "pk_tasks"),
    (metrics._LOST, {}, "ix_task_events_lost"),
    (metrics._STAGES, {"window": 50}, "ix_tasks_average"),
]


@pytest.mark.parametrize(("statement", "values", "index"), PLANS, ids=[index for _, _, index in PLANS])
async def test_it_is_read_by_an_index(
    filled: Database, statement: TextClause, values: dict[str, Any], index: str
) -> None:
    async with filled.transaction() as work:
        connection = work.events._connection
        team = await connection.scalar(text("SELECT id FROM teams WHERE name = :name"), {"name": BIG_TEAM})
        given = values if "team_id" not in statement._bindparams else {**values, "team_id": team}
        lines = await connection.execute(text(f"EXPLAIN {statement.text}"), given)
        plan = "\n".join(line[0] for line in lines)
    assert index in plan, plan
    scanned = set(re.findall(r"Seq Scan on (\w+)", plan))
    assert not scanned & {"tasks", "task_events", "webhook_deliveries", "task_params"}, plan
