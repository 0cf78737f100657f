"""Whose turn it is, and when the next task may be claimed."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import uuid4

import pytest

from app.domain.task import TaskId
from tests.jobs import a_job
from workers.failure import TaskReleased
from workers.job import RunningJob
from workers.line import MOST_IN_POST, Line


async def is_ready(waiting: Coroutine[Any, Any, Any]) -> bool:
    """Whether it returns without anything else happening."""
    task = asyncio.create_task(waiting)
    for _ in range(5):
        await asyncio.sleep(0)
    ready = task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return ready


async def computing(line: Line, job: RunningJob) -> None:
    line.join(job)
    await line.turn(job)


async def in_post(line: Line, count: int) -> list[RunningJob]:
    jobs = [a_job() for _ in range(count)]
    for job in jobs:
        await computing(line, job)
        line.computed(job)
    return jobs


async def test_the_next_task_is_claimed_in_the_last_stage_and_not_before() -> None:
    line, job = Line(), a_job()
    assert await is_ready(line.room())
    await computing(line, job)
    assert not await is_ready(line.room())
    line.leaving(job)
    assert await is_ready(line.room())
    line.join(a_job())
    assert not await is_ready(line.room()), "one waits already"


async def test_the_next_turn_comes_when_the_model_is_free() -> None:
    line, first, second = Line(), a_job(), a_job()
    await computing(line, first)
    line.leaving(first)
    line.join(second)
    assert not await is_ready(line.turn(second))
    line.computed(first)
    assert await is_ready(line.turn(second))


async def test_a_job_that_ends_early_makes_room() -> None:
    line, first, second = Line(), a_job(), a_job()
    await computing(line, first)
    line.join(second)
    turn = asyncio.create_task(line.turn(second))
    await asyncio.sleep(0)
    line.leave(first)
    await asyncio.wait_for(turn, 1)


async def test_nothing_computes_while_too_many_are_behind_it() -> None:
    line = Line()
    first, *_ = await in_post(line, MOST_IN_POST)
    third, fourth = a_job(), a_job()
    await computing(line, third)
    line.leaving(third)
    assert not await is_ready(line.room()), "it could not start when the third is done"
    line.computed(third)
    line.join(fourth)
    assert not await is_ready(line.turn(fourth))
    line.leave(first)
    assert await is_ready(line.turn(fourth))


async def test_a_task_that_lost_a_child_runs_alone() -> None:
    line, other = Line(), a_job()
    suspect = a_job(crashes=1)
    await computing(line, other)
    line.computed(other)
    line.join(suspect)
    assert not await is_ready(line.turn(suspect)), "a neighbour is still being written"
    line.leave(other)
    await line.turn(suspect)
    line.leaving(suspect)
    assert not await is_ready(line.room())
    line.computed(suspect)
    assert not await is_ready(line.room())
    line.leave(suspect)
    assert await is_ready(line.room())


async def test_a_closed_line_turns_away_who_waits_and_nobody_else() -> None:
    line, running, waiting = Line(), a_job(), a_job()
    await computing(line, running)
    line.leaving(running)
    line.join(waiting)
    line.close()
    assert waiting.turned_away.is_set()
    assert not running.turned_away.is_set()
    with pytest.raises(TaskReleased):
        await line.turn(waiting)
    assert not await line.room()


async def test_nobodys_turn_comes_on_a_broken_machine() -> None:
    line, job = Line(), a_job()
    line.join(job)
    for pid in range(3):
        line.health.died(pid, TaskId(uuid4()), computing=True)
    with pytest.raises(TaskReleased):
        await line.turn(job)
