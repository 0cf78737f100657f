"""Prompt tasks: bounded in number and time, and cancelled when nobody waits any more."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from app.db.engine import Database
from app.db.tasks import Actor, ClaimedTask
from app.domain.errors import LanguageModelFailedError, LanguageModelUnavailableError, QueueFullError
from app.domain.format_input import FormattedInput, FormatWish
from app.domain.task import Caller, TeamId
from app.services.prompting import Prompting
from tests.fakes import ListeningDoorbell

FORM = "application/x-www-form-urlencoded"
LM = "acestep-5Hz-lm-tiny-random"
WORKER = Actor(kind="worker", id="w")


def wish(**given: Any) -> FormatWish:
    nothing: dict[str, Any] = {
        "prompt": "pop",
        "lyrics": "la",
        "temperature": 0.85,
        "bpm": None,
        "key_scale": "",
        "time_signature": "",
        "duration_s": None,
        "vocal_language": None,
    }
    return FormatWish(**{**nothing, **given})


class World:
    """A service and a stand-in for the worker, on the real tables."""

    def __init__(self, db: Database, team: TeamId, *, models: Sequence[str] = (LM,), **limits: Any) -> None:
        self.db = db
        self.bell = ListeningDoorbell()
        self.models = models
        self.caller = Caller(team_id=team, key_id=None, scopes=frozenset())
        self.prompting = Prompting(db, self.bell, offered=self._offered, **{"timeout_s": 10, **limits})

    async def _offered(self) -> Sequence[str]:
        return self.models

    async def ask(self, **given: Any) -> FormattedInput:
        return await self.prompting(self.caller, wish(**given), request={}, content_type=FORM, request_id="r")

    async def rung(self) -> None:
        for _ in range(500):
            if self.bell.rung:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("nobody was rung for")

    async def claim(self) -> ClaimedTask:
        for _ in range(200):
            async with self.db.autocommit() as work:
                claimed = await work.tasks.claim(
                    worker_id=uuid4(), models=[LM], kinds=["format_input"], lease_s=30
                )
            if claimed:
                return claimed[0]
            await asyncio.sleep(0.02)
        raise AssertionError("nothing to claim")

    async def write(self, task: ClaimedTask, **written: Any) -> None:
        async with self.db.autocommit() as work:
            assert await work.tasks.succeed(
                task.id, task.attempt, actor=WORKER, result=written, clips=[], gpu_seconds=0.0
            )

    async def content_types(self) -> list[str]:
        async with self.db.autocommit() as work:
            rows = await work.prompts._connection.exec_driver_sql("SELECT content_type FROM task_params")
            return [row[0] for row in rows]

    async def statuses(self) -> list[str]:
        async with self.db.autocommit() as work:
            rows = await work.prompts._connection.exec_driver_sql("SELECT status FROM tasks ORDER BY seq")
            return [row[0] for row in rows]


@pytest.fixture
def world(db: Database, team: TeamId) -> World:
    return World(db, team)


async def test_the_answer_is_what_the_worker_wrote_below_what_the_user_gave(world: World) -> None:
    asking = asyncio.create_task(world.ask(bpm=90, duration_s=33.5))
    task = await world.claim()
    assert (task.params["prompt"], task.params["bpm"]) == ("pop", 90)
    assert 0 <= task.params["lm_seed"] < 2**32
    await world.write(
        task, caption="bright pop", lyrics="[Verse]", bpm=120, duration=33, keyscale="C major", language="en"
    )
    assert await asking == FormattedInput(
        caption="bright pop",
        lyrics="[Verse]",
        bpm=90,
        key_scale="C major",
        time_signature="",
        duration_s=33.5,
        vocal_language="en",
    )
    assert world.bell.rung == [task.id]
    assert await world.content_types() == [FORM]


async def test_many_wait_at_once_and_each_gets_its_own(world: World) -> None:
    asking = [asyncio.create_task(world.ask(prompt=f"p{number}")) for number in range(20)]
    for _ in asking:
        task = await world.claim()
        await world.write(task, caption=task.params["prompt"].upper())
    assert [answer.caption for answer in await asyncio.gather(*asking)] == [f"P{n}" for n in range(20)]


async def test_nobody_offers_a_language_model(db: Database, team: TeamId) -> None:
    world = World(db, team, models=())
    with pytest.raises(LanguageModelUnavailableError):
        await world.ask()
    assert await world.statuses() == []


async def test_too_many_waiting_are_refused_exactly(db: Database, team: TeamId) -> None:
    world = World(db, team, most_waiting=3, timeout_s=0.5)
    answers = await asyncio.gather(*(world.ask() for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(answer, QueueFullError) for answer in answers) == 5
    assert await world.statuses() == ["cancelled"] * 3


async def test_after_the_time_limit_a_waiting_task_is_cancelled_and_a_running_one_asked(
    db: Database, team: TeamId
) -> None:
    world = World(db, team, timeout_s=0.4)
    with pytest.raises(LanguageModelFailedError, match=r"no answer within 0\.4 seconds"):
        await world.ask()
    asking = asyncio.create_task(world.ask())
    task = await world.claim()
    with pytest.raises(LanguageModelFailedError):
        await asking
    assert await world.statuses() == ["cancelled", "running"]
    async with db.autocommit() as work:
        assert await work.tasks.cancel_running(task.id, task.attempt, actor=WORKER, gpu_seconds=0.0)


async def test_a_failure_of_the_model_is_told(world: World) -> None:
    asking = asyncio.create_task(world.ask())
    task = await world.claim()
    async with world.db.autocommit() as work:
        await work.tasks.fail_or_retry(
            task.id,
            task.attempt,
            actor=WORKER,
            code="lm_failed",
            message="the text is too long",
            trace=None,
            max_failures=1,
            gpu_seconds=0.0,
        )
    with pytest.raises(LanguageModelFailedError, match="the text is too long"):
        await asking


async def test_a_client_that_leaves_takes_its_task_along(world: World) -> None:
    asking = asyncio.create_task(world.ask())
    await world.rung()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert await world.statuses() == ["cancelled"]


async def test_prompt_tasks_are_no_part_of_statistics_and_of_the_music_queue(
    world: World, team: TeamId
) -> None:
    asking = asyncio.create_task(world.ask())
    await world.rung()
    async with world.db.autocommit() as work:
        numbers = await work.stats.numbers(team, window=50, lease_s=30)
        assert (numbers.queue_size, numbers.queued) == (0, 0)
        assert (await work.queue.room(team)).waiting == 0
    await world.write(await world.claim(), caption="x")
    await asking
    async with world.db.autocommit() as work:
        numbers = await work.stats.numbers(team, window=50, lease_s=30)
    assert (numbers.succeeded, numbers.average_s) == (0, None)
