"""Random moves of tasks on the real tables, with a model in plain Python beside them, move for move.

LIFE_CYCLE_EXAMPLES sets how many random lives are tried.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from app.db.tasks import Beat, ClaimedTask
from app.domain.changes import Changes
from app.domain.task import TaskId
from app.services import Relation
from app.services.lifecycle import MAX_FAILURES, Lifecycle
from tests.builders import MODEL, a_clip
from tests.chaos.life_cycle_model import LIVE, WAIT_H, Model, Row
from tests.chaos.life_cycle_rows import HOST, World
from tests.servers import Servers

pytestmark = pytest.mark.chaos

EXAMPLES = int(os.environ.get("LIFE_CYCLE_EXAMPLES", "20"))
WORKERS = st.sampled_from((1, 2))
PRIORITIES = st.sampled_from((0, 1, 5))


class LifeCycle(RuleBasedStateMachine):
    """Every rule makes one move in both worlds and compares the answers; the invariants compare the rows."""

    world: World
    tasks: Bundle[TaskId] = Bundle("tasks")
    attempts: Bundle[tuple[int, ClaimedTask]] = Bundle("attempts")  # late ones stay in it

    @initialize()
    def begin(self) -> None:
        self.model = Model()
        self.finals: dict[UUID, tuple[Any, ...]] = {}
        self.workers = {number: self.run(self.world.start_worker(number)) for number in (1, 2)}

    def run(self, awaitable: Any) -> Any:
        return self.world.run(awaitable)

    def teardown(self) -> None:
        self.run(self.world.forget_everything())

    @rule(target=tasks, priority=PRIORITIES)
    def submit(self, priority: int) -> TaskId:
        task_id: TaskId = self.run(self.world.submit(priority))
        self.model.submit(task_id, priority)
        return task_id

    @rule(target=attempts, number=WORKERS)
    def claim(self, number: int) -> Any:
        worker, expected = self.workers[number], self.model.next()
        claimed = self.run(worker.claim([MODEL]))
        assert (claimed and claimed.id) == expected
        if claimed is None:
            return multiple()
        assert claimed.attempt == self.model.claim(claimed.id, worker._worker_id)
        return number, claimed

    @rule(held=attempts)
    def heartbeat(self, held: tuple[int, ClaimedTask]) -> None:
        worker, task, row = self._of(held)
        beat = Beat(
            id=task.id,
            attempt=task.attempt,
            progress=0.5,
            stage="diffusing",
            progress_text="x",
            stage_changed=True,
        )
        mine = self.run(worker.heartbeat([beat]))
        expected = {(task.id, task.attempt): self.model.heartbeat(task.id)} if row else {}
        assert mine == expected

    @rule(held=attempts)
    def succeed(self, held: tuple[int, ClaimedTask]) -> None:
        worker, task, row = self._of(held)
        done = self.run(worker.succeed(task, result={"items": []}, clips=[a_clip(task)], gpu_seconds=1.0))
        if row and not row.asked:
            row.end("succeeded")
        known = self.model.rows[task.id]
        assert done == (known.status == "succeeded" and known.attempt == task.attempt), "said twice is fine"

    @rule(held=attempts, retryable=st.booleans())
    def fail(self, held: tuple[int, ClaimedTask], retryable: bool) -> None:
        worker, task, row = self._of(held)
        self.run(worker.fail(task, code="internal", message="x", trace=None, retryable=retryable))
        if row:
            self._wait(task.id, self.model.fail(row, tries=MAX_FAILURES if retryable else 1))

    @rule(held=attempts)
    def give_back(self, held: tuple[int, ClaimedTask]) -> None:
        worker, task, row = self._of(held)
        self.run(worker.release(task.id, task.attempt))
        if row:
            self.model.release(row)

    @rule(held=attempts)
    def obey_the_cancel(self, held: tuple[int, ClaimedTask]) -> None:
        worker, task, row = self._of(held)
        self.run(worker.cancelled(task))
        if row and row.asked:
            row.end("cancelled")

    @rule(held=attempts)
    def lose_the_child(self, held: tuple[int, ClaimedTask]) -> None:
        worker, task, row = self._of(held)
        self.run(worker.child_died(task))
        if row:
            self._wait(task.id, self.model.lose(row))

    @rule(number=WORKERS)
    def lose_a_worker(self, number: int) -> None:
        dead = self.workers[number]._worker_id
        lost = self.run(self.world.recovery.worker_died(HOST, number))
        self._compare_lost(lost, self.model.lose_where(lambda row: row.worker == dead))
        self.workers[number] = self.run(self.world.start_worker(number))

    @rule()
    def sweep(self) -> None:
        lost = self.run(self.world.recovery.sweep())
        clock_h = self.model.clock_h
        self._compare_lost(lost, self.model.lose_where(lambda row: row.lease_until <= clock_h))

    @rule(hours=st.sampled_from((0.5, 1.5)))
    def pass_time(self, hours: float) -> None:
        self.run(self.world.pass_time(hours))
        self.model.clock_h += hours

    @rule(number=WORKERS)
    def claim_in_a_pause(self, number: int) -> None:
        self.run(self.world.pause(True))
        assert self.run(self.workers[number].claim([MODEL])) is None
        self.run(self.world.pause(False))

    @rule(held=attempts)
    def give_back_and_say_everything_late(self, held: tuple[int, ClaimedTask]) -> None:
        task = held[1]
        self.give_back(held)
        if self.model.next() == task.id:
            other = self.run(self.workers[2].claim([MODEL]))
            assert other.attempt == self.model.claim(task.id, self.workers[2]._worker_id)
        for word in (self.heartbeat, self.succeed, self.give_back, self.obey_the_cancel, self.lose_the_child):
            word(held)
        self.fail(held, retryable=False)

    @rule(task_id=tasks)
    def cancel(self, task_id: TaskId) -> None:
        row, answer = self.model.rows[task_id], self.run(self.world.cancel(task_id))
        if row.erased:
            assert answer == "not_found"
        elif row.status in ("succeeded", "failed"):
            assert answer == "conflict"
        elif row.status == "queued":
            row.end("cancelled")
            row.asked = True
        elif row.status == "running":
            row.asked = True

    @rule(task_id=tasks, priority=PRIORITIES)
    def change_priority(self, task_id: TaskId, priority: int) -> None:
        row, answer = self.model.rows[task_id], self.run(self.world.edit(task_id, Changes(priority=priority)))
        if row.erased:
            assert answer == "not_found"
        elif row.status != "queued":
            assert answer == "conflict"
        else:
            row.priority = priority

    @rule(task_id=tasks)
    def erase(self, task_id: TaskId) -> None:
        row, answer = self.model.rows[task_id], self.run(self.world.erase(task_id))
        if row.erased:
            assert answer.state == row.status, "said twice is answered as before"
        elif row.status == "running":
            assert answer == "conflict"
        else:
            if row.status == "queued":
                row.end("cancelled")
                row.asked = True
            row.erased = True

    @rule(target=tasks, task_id=tasks, relation=st.sampled_from(Relation))
    def repeat(self, task_id: TaskId, relation: Relation) -> Any:
        row, new = self.model.rows[task_id], self.run(self.world.repeat(task_id, relation))
        succeeded = relation is Relation.RETRY and row.status == "succeeded"
        if row.erased or row.status in LIVE or succeeded:
            assert new == ("not_found" if row.erased else "conflict")
            return multiple()
        self.model.submit(new, row.priority)
        return new

    @invariant()
    def the_rows_are_as_the_model_says(self) -> None:
        found = self.run(self.world.rows())
        assert found.keys() == self.model.rows.keys()
        for task_id, row in self.model.rows.items():
            real = found[task_id]
            for name in ("status", "attempt", "failures", "crashes", "priority", "asked", "erased", "ends"):
                assert real[name] == getattr(row, name), name
            assert real["worker_id"] == row.worker
            visible = row.status == "succeeded" and not row.erased
            assert real["outputs"] == ([row.attempt] if visible else [])
            if row.status not in LIVE:
                final = (real["status"], real["attempt"], real["finished_at"])
                assert self.finals.setdefault(task_id, final) == final, "a final state changed"

    @invariant()
    def the_counters_equal_a_count(self) -> None:
        counters = self.run(self.world.counters())
        for status in ("running", "succeeded", "failed", "cancelled"):
            count = self.model.count(status)
            assert counters[status] == count
            assert counters.get(f"used_{status}", count) == count

    def _of(self, held: tuple[int, ClaimedTask]) -> tuple[Lifecycle, ClaimedTask, Row | None]:
        """The worker that claimed, the attempt, and its row unless the attempt has lost it."""
        number, task = held
        owns = self.model.owns(task.id, task.attempt)
        return self.workers[number], task, self.model.rows[task.id] if owns else None

    def _compare_lost(self, lost: Any, waits: dict[TaskId, int]) -> None:
        assert {settled.id for settled in lost} == waits.keys()
        for task_id, wait_s in waits.items():
            self._wait(task_id, wait_s)

    def _wait(self, task_id: TaskId, wait_s: int) -> None:
        if wait_s:
            assert self.run(self.world.stretch_wait(task_id, WAIT_H)) == wait_s


@pytest.fixture
def world(servers: Servers, template: str, tmp_path: Path) -> Iterator[World]:
    """A database on a loop of this test's own: Hypothesis calls the rules without one."""
    loop = asyncio.new_event_loop()
    world = World(loop, servers, template, tmp_path)
    world.run(world.open())
    yield world
    world.run(world.close())
    loop.close()


def test_any_life_of_tasks_is_as_the_model_says(world: World) -> None:
    machine = type("LifeCycleHere", (LifeCycle,), {"world": world})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            derandomize=True,
            deadline=None,
            phases=(Phase.generate,),  # making a failure small takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
