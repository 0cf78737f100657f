"""What is refused for want of room, in which words, and when to come back."""

from typing import Any

import pytest

from app.domain.errors import ForbiddenError, QueueFullError, QuotaExceededError, ValidationError
from app.domain.inputs import Origin, Role, TaskInput
from app.domain.room import Room, Use, most_audio_s
from app.domain.teams import TeamLimits


def a_room(*, is_disabled: bool = False, used_s: float = 0.0, **limits: Any) -> Room:
    use = Use(produced_s=used_s / 2, reserved_s=used_s / 2, left_s=1234.5)
    return Room(
        waiting=3,
        of_team=2,
        positions=(4, 5),
        is_disabled=is_disabled,
        limits=TeamLimits(**limits),
        today=use,
        month=Use(produced_s=used_s / 2, reserved_s=used_s / 2, left_s=90_000),
    )


def check(room: Room, *, queue_limit: int | None = 10, wanted_s: float = 60.0) -> None:
    room.check(queue_limit=queue_limit, model="turbo", wanted_s=wanted_s)


def test_without_limits_there_is_room() -> None:
    check(a_room(used_s=1e9), queue_limit=None, wanted_s=1e9)
    check(a_room(allowed_models=["base", "turbo"], max_queued=3, daily_audio_seconds=60))


def test_the_next_one_meets_the_queue_with_the_one_before() -> None:
    room = a_room(daily_audio_seconds=100, max_queued=4).after(60.0)
    assert (room.waiting, room.of_team, room.position) == (4, 3, 5)
    with pytest.raises(QuotaExceededError, match="60 of 100 seconds"):
        check(room)


def test_a_full_queue_is_named_with_its_numbers() -> None:
    with pytest.raises(QueueFullError, match="queue is full: 3 of 3 tasks waiting") as full:
        check(a_room(), queue_limit=3)
    assert full.value.retry_after_s
    with pytest.raises(QueueFullError, match="the team's queue is full: 2 of 2"):
        check(a_room(max_queued=2))


def test_a_quota_is_used_by_what_was_produced_and_by_what_is_reserved() -> None:
    check(a_room(used_s=40, daily_audio_seconds=100, monthly_audio_seconds=100))
    with pytest.raises(QuotaExceededError, match=r"daily audio quota .*: 41 of 100 seconds") as daily:
        check(a_room(used_s=41, daily_audio_seconds=100))
    assert (daily.value.status, daily.value.code, daily.value.retry_after_s) == (429, "quota_exceeded", 1235)
    with pytest.raises(QuotaExceededError, match="monthly") as monthly:
        check(a_room(used_s=41, monthly_audio_seconds=100))
    assert monthly.value.retry_after_s == 3600, "never longer than an hour"


def test_a_disabled_team_and_a_model_out_of_reach() -> None:
    with pytest.raises(ForbiddenError, match="disabled"):
        check(a_room(is_disabled=True))
    with pytest.raises(ValidationError, match="model turbo is not available to the team; available: base"):
        check(a_room(allowed_models=["base"]))


def a_source(duration: float | None) -> TaskInput:
    return TaskInput(
        role=Role.SOURCE,
        origin=Origin.UPLOAD,
        path="audio/x",
        storage_key="i/x",
        sha256="0",
        bytes=1,
        duration=duration,
    )


@pytest.mark.parametrize(
    ("params", "sources", "seconds"),
    [
        ({"audio_duration": 33.5}, [], 67.0),
        ({"audio_duration": None}, [], 120.0),
        ({"audio_duration": None, "lm_model_path": "lm"}, [], 1200.0),
        ({"audio_duration": None}, [12.0], 24.0),
        ({"audio_duration": None}, [None], 1200.0),
    ],
)
def test_a_task_reserves_the_most_that_it_may_produce(
    params: dict[str, Any], sources: list[float | None], seconds: float
) -> None:
    inputs = [a_source(duration) for duration in sources]
    assert most_audio_s({"batch_size": 2, **params}, inputs, max_duration_s=600) == seconds
