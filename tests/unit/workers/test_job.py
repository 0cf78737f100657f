import pytest

from tests.jobs import a_job
from workers import job as job_module


class Clock:
    """A monotonic clock that goes on when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(job_module.time, "monotonic", lambda: self.now)


def test_only_stages_on_the_accelerator_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    job = a_job()
    clock.now += 100  # waits for its turn
    job.report("loading", 0, 1)
    clock.now += 30  # a model is loaded
    for stage, seconds in (("lm", 5), ("encoding", 1), ("diffusing", 3), ("decoding", 2)):
        job.report(stage, 0, 1)
        clock.now += seconds
    assert job.gpu_seconds == 11, "also while it computes"
    job.computed()
    clock.now += 50  # the result before it is written
    job.report("saving", 0, 1)
    clock.now += 20
    assert job.gpu_seconds == 11


def test_a_second_try_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    job = a_job()
    job.report("diffusing", 1, 8)
    clock.now += 4
    job.report("loading", 0, 1)  # a fresh child
    clock.now += 60
    job.report("diffusing", 1, 8)
    clock.now += 7
    job.computed()
    assert job.gpu_seconds == 11


def test_the_rest_is_estimated_from_the_beginning_of_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    job = a_job()
    clock.now += 500
    assert job.rest_s is None
    job.report("encoding", 0, 1)
    clock.now += 10
    job.report("diffusing", 4, 8)
    job.computed()
    clock.now += 10
    assert job.rest_s == pytest.approx(20 * (1 - job.progress.value) / job.progress.value)
