"""Calls that wait share one operation, and none of them suffers from another."""

import asyncio
from collections.abc import Sequence

import pytest

from app.domain.errors import DatabaseUnavailableError, QueueFullError
from app.services.together import MOST_TOGETHER, Together

Call = asyncio.Task[int]


class Operation:
    """Doubles numbers, as many at once as come; it notes who came together."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_end = asyncio.Event()
        self.together = Together(self, key=lambda number: "odd" if number % 2 else None)

    async def __call__(self, numbers: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(numbers))
        await self.may_end.wait()
        if 666 in numbers:
            raise RuntimeError("cannot be stored")
        if 503 in numbers:
            raise DatabaseUnavailableError
        return [QueueFullError("full", retry_after_s=1) if each == 429 else 2 * each for each in numbers]

    async def calls(self, *numbers: int) -> list[Call]:
        """Begin calls, in order, and let them reach the operation."""
        calls = [asyncio.create_task(self.together(number)) for number in numbers]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return calls


async def test_the_first_goes_at_once_and_those_behind_it_go_together() -> None:
    operation = Operation()
    first = await operation.calls(0)
    others = await operation.calls(2, 4, 6)
    assert operation.batches == [[0]]
    operation.may_end.set()
    assert await asyncio.gather(*first, *others) == [0, 4, 8, 12]
    assert operation.batches == [[0], [2, 4, 6]]
    assert await operation.together(8) == 16, "it begins again after a pause"


async def test_alike_ones_go_one_after_the_other() -> None:
    operation = Operation()
    operation.may_end.set()
    assert await asyncio.gather(*await operation.calls(1, 3, 2, 5)) == [2, 6, 4, 10]
    assert operation.batches == [[1, 2], [3], [5]]


async def test_no_batch_is_larger_than_allowed() -> None:
    operation = Operation()
    operation.may_end.set()
    await asyncio.gather(*(operation.together(2 * n) for n in range(MOST_TOGETHER + 1)))
    assert [len(batch) for batch in operation.batches] == [MOST_TOGETHER, 1]


async def test_a_refusal_is_that_of_one() -> None:
    operation = Operation()
    operation.may_end.set()
    answers = await asyncio.gather(*(operation.together(n) for n in (2, 428, 429)), return_exceptions=True)
    assert answers[:2] == [4, 856]
    assert isinstance(answers[2], QueueFullError)


async def test_what_cannot_be_stored_fails_alone() -> None:
    operation = Operation()
    operation.may_end.set()
    answers = await asyncio.gather(*(operation.together(n) for n in (2, 666, 4)), return_exceptions=True)
    assert answers[0] == 4
    assert answers[2] == 8
    assert isinstance(answers[1], RuntimeError)
    assert operation.batches == [[2, 666, 4], [2], [666], [4]]


async def test_a_database_that_is_away_is_told_to_all_at_once() -> None:
    operation = Operation()
    operation.may_end.set()
    answers = await asyncio.gather(*(operation.together(n) for n in (2, 4, 426)), return_exceptions=True)
    assert answers == [4, 8, 852]
    answers = await asyncio.gather(*(operation.together(n) for n in (2, 4, 503)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [DatabaseUnavailableError] * 3
    assert operation.batches[-1] == [2, 4, 503], "nobody asks a second time"


async def test_who_has_gone_holds_up_nobody() -> None:
    operation = Operation()
    (working,) = await operation.calls(2)
    waiting, staying = await operation.calls(4, 6)
    working.cancel()
    waiting.cancel()
    await asyncio.sleep(0)
    operation.may_end.set()
    assert await staying == 12
    assert operation.batches == [[2], [6]]
    with pytest.raises(asyncio.CancelledError):
        await waiting
