import pytest

from workers import pace as pace_module
from workers.pace import LEAST_S, UNKNOWN_S, Pace, Silence


class Clock:
    """A monotonic clock that goes on when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(pace_module.time, "monotonic", lambda: self.now)


def test_a_stage_nobody_has_seen_may_take_as_long_as_a_start() -> None:
    assert Pace().patience_s("m", "decoding", 60) == UNKNOWN_S


def test_a_short_stage_may_be_silent_for_the_least_time() -> None:
    pace = Pace()
    pace.learn("m", {"decoding": 2.0}, audio_s=60)
    assert pace.patience_s("m", "decoding", 60) == LEAST_S


def test_a_longer_job_may_be_silent_three_times_as_long_as_expected() -> None:
    pace = Pace()
    pace.learn("m", {"decoding": 2.0}, audio_s=10)
    pace.learn("m", {"decoding": 1.0}, audio_s=10)
    assert pace.patience_s("m", "decoding", 8 * 600) == pytest.approx(3 * 0.2 * 4800)
    assert pace.patience_s("other", "decoding", 10) == UNKNOWN_S


def test_the_loading_of_a_model_says_nothing_about_the_next_one() -> None:
    pace = Pace()
    pace.learn("m", {"loading": 0.001}, audio_s=60)
    assert pace.patience_s("m", "loading", 60) == UNKNOWN_S


def test_old_times_are_forgotten() -> None:
    pace = Pace(least_s=0.0)
    pace.learn("m", {"diffusing": 100.0}, audio_s=10)
    for _ in range(20):
        pace.learn("m", {"diffusing": 1.0}, audio_s=10)
    assert pace.patience_s("m", "diffusing", 10) == pytest.approx(3.0)


def test_silence_is_counted_from_the_last_report_by_the_stage_it_spoke_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, pace = Clock(monkeypatch), Pace(least_s=5.0, unknown_s=50.0)
    silence = Silence(pace, model="m", audio_s=10)
    clock.now += 7
    silence.heard("diffusing")
    for seconds in (3, 20, 1):
        clock.now += seconds
        silence.heard("diffusing")
    silence.heard("decoding")
    clock.now += 2
    silence.heard("saving")
    clock.now += 45
    assert silence.left_s == pytest.approx(5)
    silence.learn(10)
    assert pace.patience_s("m", "diffusing", 10) == pytest.approx(60)
    assert pace.patience_s("m", "decoding", 10) == pytest.approx(6)
