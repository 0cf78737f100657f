"""A long history with a queue behind it: long enough that the planner has a choice."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import pytest_asyncio

from app.db.engine import Database
from app.domain.task import TeamId
from tests.bench.rows import BIG_TEAM, fill
from tests.servers import Servers, fresh_database

ROWS = 20_000
_MORE = (
    """
    INSERT INTO tasks (id, team_id, request_id, kind, task_type, model, queue_rank)
    SELECT gen_random_uuid(), $1 + n % 5, 'r', 'generate', 'text2music', 'acestep-v15-turbo',
           now() + make_interval(secs => n * 1e-6)
    FROM generate_series(1, 1500) n
    """,
    """
    INSERT INTO tasks (id, team_id, request_id, kind, task_type, model, status, attempt, worker_id,
                       lease_until, started_at, first_started_at)
    SELECT gen_random_uuid(), $1 + n % 5, 'r', 'generate', 'text2music', 'acestep-v15-turbo', 'running', 1,
           gen_random_uuid(), now(), now(), now()
    FROM generate_series(1, 20) n
    """,
    """
    INSERT INTO api_keys (team_id, name, prefix, last4, hash, scopes)
    SELECT $1 + n % 5, 'more', 'ace_more', 'xxxx', decode(md5('more ' || n), 'hex'), '{}'
    FROM generate_series(1, 2000) n
    """,
    """
    INSERT INTO usage_daily (team_id, api_key_id, model, day, succeeded)
    SELECT k.team_id, k.id, 'acestep-v15-turbo', current_date - n, 1
    FROM api_keys k, generate_series(0, 99) n WHERE k.name <> 'more' AND k.team_id >= $1
    """,
    """
    INSERT INTO audit_log (actor, action, object)
    SELECT 'cli:test', 'team.changed', 'team ' || $1 + n FROM generate_series(1, 5000) n
    """,
    """
    INSERT INTO task_exports (task_seq, export_id, actor_kind, form)
    SELECT t.seq, (SELECT min(id) FROM audit_log), 'client', 'csv' FROM tasks t WHERE t.team_id >= $1
    LIMIT 4000
    """,
)


@dataclass(frozen=True)
class History:
    """A filled database and the team that half of it belongs to."""

    db: Database
    team: TeamId
    now: datetime


@pytest_asyncio.fixture(scope="session")
async def history(servers: Servers, template: str) -> AsyncIterator[History]:
    async with fresh_database(servers, template) as url:
        await fill(url, ROWS)
        connection = await asyncpg.connect(url)
        team, now = await connection.fetchrow("SELECT id, now() FROM teams WHERE name = $1", BIG_TEAM)
        for statement in _MORE:
            await connection.execute(statement, team)
        await connection.execute("VACUUM ANALYZE")
        await connection.close()
        db = Database(url)
        yield History(db, TeamId(team), now)
        await db.close()
