"""Submitting: the limit is exact under concurrency, and what is refused leaves nothing."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from app.db.engine import Database
from app.domain.errors import QueueFullError
from app.domain.task import Accepted, Caller, Submission, TeamId
from app.services import StatsView
from app.services.stats import Stats
from app.services.submit import Submit
from app.services.uploads import Uploads
from tests.builders import MODEL, claim, uploads_below
from tests.fakes import ListeningDoorbell


def a_submission(**params: object) -> Submission:
    return Submission(
        request={"prompt": "x"},
        content_type="application/json",
        requested_model=None,
        params={
            "seed": [None],
            "batch_size": 2,
            "use_random_seed": True,
            "task_type": "text2music",
            "model": MODEL,
            "thinking": False,
            "sample_mode": False,
            "sample_query": "",
            "use_format": False,
            "audio_code_string": "",
            **params,
        },
    )


@pytest.fixture
def uploads(db: Database, tmp_path: Path) -> Uploads:
    return uploads_below(tmp_path, db)


def caller(team: TeamId) -> Caller:
    return Caller(team_id=team, key_id=None, scopes=frozenset())


async def test_fifty_at_once_fill_twenty_places_exactly(
    db: Database, team: TeamId, database_url: str, uploads: Uploads
) -> None:
    doorbell = ListeningDoorbell()
    submit = Submit(db, doorbell, uploads, queue_limit=20, ageing_s=600)

    answers = await asyncio.gather(
        *(submit(caller(team), a_submission(), request_id="r", client=None) for _ in range(50)),
        return_exceptions=True,
    )

    accepted = [answer for answer in answers if isinstance(answer, Accepted)]
    refused = [answer for answer in answers if isinstance(answer, QueueFullError)]
    assert (len(accepted), len(refused)) == (20, 30)
    assert sorted(answer.queue_position for answer in accepted) == list(range(1, 21))
    assert refused[0].message == "queue is full: 20 of 20 tasks waiting"
    assert refused[0].retry_after_s
    assert set(doorbell.rung) == {answer.task_id for answer in accepted}
    connection = await asyncpg.connect(database_url)
    counts = [
        await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
        for table in ("tasks", "task_params", "task_events")
    ]
    await connection.close()
    assert counts == [20, 20, 20]


async def test_position_and_claim_order_agree(db: Database, team: TeamId, uploads: Uploads) -> None:
    submit = Submit(db, ListeningDoorbell(), uploads, queue_limit=None, ageing_s=600)
    answers = await asyncio.gather(
        *(submit(caller(team), a_submission(), request_id="r", client=None) for _ in range(12))
    )
    by_position = [a.task_id for a in sorted(answers, key=lambda answer: answer.queue_position)]
    assert [(await claim(db))[0].id for _ in range(12)] == by_position


async def test_places_count_waiting_tasks_and_a_refusal_changes_no_total(
    db: Database, team: TeamId, uploads: Uploads
) -> None:
    submit = Submit(db, ListeningDoorbell(), uploads, queue_limit=3, ageing_s=600)

    async def place() -> int:
        accepted = await submit(caller(team), a_submission(), request_id="r", client=None)
        return accepted.queue_position

    async def totals() -> StatsView:
        stats = Stats(db, queue_limit=3, window=50, initial_average_s=5, lease_s=30)
        return await stats(None)

    first = await place()
    await claim(db)
    assert [first, await place(), await place(), await place()] == [1, 1, 2, 3]
    before = await totals()
    assert (before.running, before.queued, before.queue_size, before.queue_maxsize) == (1, 3, 3, 3)
    with pytest.raises(QueueFullError, match="queue is full: 3 of 3 tasks waiting"):
        await place()
    assert await totals() == before


async def test_seeds_are_drawn_once_and_stored(db: Database, team: TeamId, uploads: Uploads) -> None:
    submit = Submit(db, ListeningDoorbell(), uploads, queue_limit=None, ageing_s=600)
    wish = {"seed": [7, None], "use_random_seed": False, "batch_size": 3}
    accepted = await submit(caller(team), a_submission(**wish), request_id="r", client=None)
    async with db.autocommit() as work:
        params = (await work.views.by_ids(team, [accepted.task_id]))[accepted.task_id].params
    assert params["seeds"][0] == 7
    assert len(params["seeds"]) == 3
    assert all(0 <= seed < 2**32 for seed in [*params["seeds"], params["lm_seed"]])


async def test_a_team_limit_refuses_with_its_own_text(
    db: Database, team: TeamId, database_url: str, uploads: Uploads
) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE teams SET max_queued = 1")
    await connection.close()
    submit = Submit(db, ListeningDoorbell(), uploads, queue_limit=20, ageing_s=600)
    await submit(caller(team), a_submission(), request_id="r", client=None)
    with pytest.raises(QueueFullError, match="the team's queue is full: 1 of 1"):
        await submit(caller(team), a_submission(), request_id="r", client=None)


async def test_a_submission_waits_for_connections_that_were_cut(
    db: Database, team: TeamId, database_url: str, uploads: Uploads
) -> None:
    submit = Submit(db, ListeningDoorbell(), uploads, queue_limit=None, ageing_s=600)
    await submit(caller(team), a_submission(), request_id="r", client=None)
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.close()
    accepted = await submit(caller(team), a_submission(), request_id="r", client=None)
    assert accepted.queue_position == 2


@pytest.mark.parametrize(
    ("wish", "needs_lm"),
    [
        ({}, False),
        ({"thinking": True}, True),
        ({"thinking": True, "audio_code_string": "<|audio_code_1|>"}, False),
        ({"thinking": True, "task_type": "cover"}, False),
        ({"sample_mode": True}, True),
        ({"sample_query": "rain"}, True),
        ({"use_format": True}, True),
    ],
)
async def test_the_row_tells_who_can_run_it(
    db: Database, team: TeamId, database_url: str, uploads: Uploads, wish: dict[str, object], needs_lm: bool
) -> None:
    submit = Submit(db, ListeningDoorbell(), uploads, queue_limit=None, ageing_s=600)
    await submit(caller(team), a_submission(**wish), request_id="r", client=None)
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT needs_lm FROM tasks") is needs_lm
    await connection.close()
