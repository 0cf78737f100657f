from uuid import uuid4

from app.domain.task import TaskId
from workers.health import Health

ONE, TWO, THREE = (TaskId(uuid4()) for _ in range(3))


def test_three_children_that_died_with_three_tasks_mean_a_broken_machine() -> None:
    health = Health()
    for pid, task_id in enumerate((ONE, TWO)):
        health.died(pid, task_id, computing=True)
    assert not health.is_broken
    health.died(2, THREE, computing=True)
    assert health.is_broken
    health.worked()
    assert not health.is_broken


def test_a_task_that_kills_every_child_is_no_broken_machine() -> None:
    health = Health()
    for pid in range(5):
        health.died(pid, ONE, computing=True)
    assert not health.is_broken


def test_success_in_between_ends_the_row() -> None:
    health = Health()
    health.died(1, ONE, computing=True)
    health.died(2, TWO, computing=True)
    health.worked()
    health.died(3, THREE, computing=True)
    assert not health.is_broken


def test_one_death_counts_once_and_for_the_task_in_the_model() -> None:
    health = Health()
    for pid, (computing, written) in enumerate(((ONE, TWO), (ONE, THREE), (ONE, TWO))):
        health.died(pid, written, computing=False)
        health.died(pid, computing, computing=True)
        health.died(pid, written, computing=False)
    assert not health.is_broken, "every death is that of one task"


def test_deaths_while_files_are_written_count_too() -> None:
    health = Health()
    for pid, task_id in enumerate((ONE, TWO, THREE)):
        health.died(pid, task_id, computing=False)
    assert health.is_broken
