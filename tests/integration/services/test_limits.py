"""Limits of teams at submission: exact when many submit at once, and what is refused leaves nothing."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from app.db.engine import Database
from app.db.tasks import Actor
from app.domain.errors import ForbiddenError, QuotaExceededError, ServiceError, ValidationError
from app.domain.offers import ModelOffer, Offers
from app.domain.task import Accepted, Caller, TeamId
from app.services.limits import CACHE_S, TeamOffers
from app.services.submit import Submit
from tests.builders import WORKER, a_clip, a_team, claim, uploads_below
from tests.fakes import ListeningDoorbell
from tests.integration.services.test_submit import a_submission, caller
from tests.servers import execute


@pytest.fixture
def submit(db: Database, tmp_path: Path) -> Submit:
    return Submit(db, ListeningDoorbell(), uploads_below(tmp_path, db), queue_limit=None, ageing_s=600)


async def ask(submit: Submit, who: Caller, **params: Any) -> Accepted:
    wish = {"audio_duration": 10.0, "batch_size": 1, **params}
    return await submit(who, a_submission(**wish), request_id="r", client=None)


async def finish(db: Database, *, audio_s: float) -> None:
    (task,) = await claim(db)
    async with db.autocommit() as work:
        assert await work.tasks.succeed(
            task.id,
            task.attempt,
            actor=Actor(kind="worker", id=str(WORKER)),
            result={"items": []},
            clips=[a_clip(task) | {"duration_s": audio_s}],
            gpu_seconds=1.0,
        )


@pytest.mark.parametrize("period", ["daily", "monthly"])
async def test_a_quota_is_exact_when_many_submit_at_once(
    submit: Submit, database_url: str, period: str
) -> None:
    team = await a_team(database_url, "metered", **{f"{period}_audio_seconds": 65})
    answers = await asyncio.gather(*(ask(submit, caller(team)) for _ in range(10)), return_exceptions=True)
    accepted = [answer for answer in answers if isinstance(answer, Accepted)]
    refused = [answer for answer in answers if isinstance(answer, QuotaExceededError)]
    assert (len(accepted), len(refused)) == (6, 4), answers
    assert f"{period} audio quota does not reach: 60 of 65 seconds" in refused[0].message
    assert 0 < (refused[0].retry_after_s or 0) <= 3600


async def test_what_was_produced_replaces_what_was_reserved(
    submit: Submit, db: Database, team: TeamId, database_url: str
) -> None:
    await execute(database_url, "UPDATE teams SET daily_audio_seconds = 30")
    who = caller(team)
    for _ in range(3):
        await ask(submit, who)
    with pytest.raises(QuotaExceededError):
        await ask(submit, who)
    await finish(db, audio_s=4.0)
    with pytest.raises(QuotaExceededError, match="24 of 30 seconds"):
        await ask(submit, who)
    await ask(submit, who, audio_duration=6.0)
    await execute(database_url, "UPDATE usage_daily SET day = day - 1")
    await execute(database_url, "UPDATE teams SET monthly_audio_seconds = 1000")
    await ask(submit, who, audio_duration=4.0)
    # A task that ends without audio gives its seconds back.
    (task,) = await claim(db)
    async with db.autocommit() as work:
        await work.tasks.release(task.id, task.attempt, actor=Actor(kind="worker"))
        with pytest.raises(QuotaExceededError):
            await ask(submit, who)
        await work.tasks.cancel_queued(team, task.id, actor=Actor(kind="client"))
    await ask(submit, who)


async def test_quotas_of_one_team_leave_another_alone(
    submit: Submit, team: TeamId, database_url: str
) -> None:
    metered = await a_team(database_url, "metered", daily_audio_seconds=5)
    with pytest.raises(QuotaExceededError):
        await ask(submit, caller(metered))
    await ask(submit, caller(team))


async def test_models_and_priority_are_judged_by_the_row_of_the_team(
    submit: Submit, db: Database, team: TeamId, database_url: str
) -> None:
    await execute(database_url, "UPDATE teams SET allowed_models = '{other}'")
    with pytest.raises(ValidationError, match="is not available to the team; available: other"):
        await ask(submit, caller(team))
    await execute(database_url, "UPDATE teams SET allowed_models = NULL, max_priority = 2")
    wish = a_submission(audio_duration=10.0)
    urgent = type(wish)(request={}, content_type="x", params=wish.params, priority=7)
    accepted = await submit(caller(team), urgent, request_id="r", client=None)
    async with db.autocommit() as work:
        stored = await work.history.task(team, accepted.task_id)
    assert stored is not None
    assert stored.priority == 2
    assert stored.adjustments == [
        {"field": "priority", "given": 7, "used": 2, "reason": "the maximum of the team is 2"}
    ]


async def test_a_disabled_team_submits_and_runs_nothing(
    submit: Submit, db: Database, team: TeamId, database_url: str
) -> None:
    await ask(submit, caller(team))
    await execute(database_url, "UPDATE teams SET disabled_at = now()")
    with pytest.raises(ForbiddenError):
        await ask(submit, caller(team))
    assert await claim(db) == []
    await execute(database_url, "UPDATE teams SET disabled_at = NULL")
    assert len(await claim(db)) == 1


async def test_what_is_refused_leaves_no_row(submit: Submit, db: Database, database_url: str) -> None:
    team = await a_team(database_url, "none", max_queued=0)
    with pytest.raises(ServiceError):
        await ask(submit, caller(team))
    async with db.autocommit() as work:
        assert set((await work.stats.recount()).values()) == {0}


async def test_what_is_offered_follows_the_team_within_a_second(
    db: Database, team: TeamId, database_url: str
) -> None:
    async def all_offers() -> Offers:
        models = [ModelOffer(name=name, category="turbo") for name in ("a", "b")]
        return Offers(models=models, default_model="a")

    offers = TeamOffers(db, all_offers)
    assert await offers(team) == await all_offers()
    await execute(database_url, "UPDATE teams SET max_priority = 3, allowed_models = '{b}'")
    await asyncio.sleep(CACHE_S + 0.05)
    narrowed = await offers(team)
    assert ([model.name for model in narrowed.models], narrowed.default_model) == (["b"], "b")
    assert narrowed.max_priority == 3
