"""Whether there is room for one more task: the queue, the team's limits, and its seconds of audio."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.domain.errors import ForbiddenError, QueueFullError, QuotaExceededError, ValidationError
from app.domain.inputs import Role, TaskInput
from app.domain.teams import TeamLimits

QUEUE_FULL_RETRY_AFTER_S = 5
LONGEST_RETRY_AFTER_S = 3600
COUNTED = 2000
"""Places are counted so far, as to count a hundred thousand waiting tasks takes fifty times as long; a number
above it is the least that the place can be."""
AUTOMATIC_S = 60.0
"""Length of a clip where neither the client, nor a source, nor a language model gives one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Audio of a team in the present UTC day or month, and the seconds to its end.

    `reserved_s` is what its waiting and running tasks may still produce.
    """

    produced_s: float
    reserved_s: float
    left_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The queue as a submission meets it, read under the gate.

    Attributes:
        waiting: tasks of the whole service, counted up to its limit.
        of_team: those of the team, counted up to its limit.
        positions: 1-based places of tasks of the team that come now, estimated by fair turns.
    """

    waiting: int
    of_team: int
    positions: tuple[int, ...]
    is_disabled: bool
    limits: TeamLimits
    today: Use
    month: Use

    @property
    def position(self) -> int:
        """Place of one more task."""
        return self.positions[0]

    def after(self, wanted_s: float) -> "Room":
        """The queue as the next one meets it, when a task of `wanted_s` seconds of audio was added."""
        return replace(
            self,
            waiting=self.waiting + 1,
            of_team=self.of_team + 1,
            positions=self.positions[1:],
            today=replace(self.today, reserved_s=self.today.reserved_s + wanted_s),
            month=replace(self.month, reserved_s=self.month.reserved_s + wanted_s),
        )

    def check(self, *, queue_limit: int | None, model: str, wanted_s: float) -> None:
        """Return if a task of `wanted_s` seconds of audio may be added.

        Raises:
            ForbiddenError: the team is disabled.
            ValidationError: the team may not use the model.
            QueueFullError: as many tasks wait as may.
            QuotaExceededError: the audio of the day or month is used up.
        """
        limits = self.limits
        if self.is_disabled:
            raise ForbiddenError("the team is disabled")
        if limits.allowed_models is not None and model not in limits.allowed_models:
            available = ", ".join(limits.allowed_models) or "none"
            raise ValidationError(f"model {model} is not available to the team; available: {available}")
        _check_waiting("queue is full", self.waiting, queue_limit)
        _check_waiting("the team's queue is full", self.of_team, limits.max_queued)
        _check_use("daily", self.today, limits.daily_audio_seconds, wanted_s)
        _check_use("monthly", self.month, limits.monthly_audio_seconds, wanted_s)


def most_audio_s(params: Mapping[str, Any], inputs: Sequence[TaskInput], *, max_duration_s: float) -> float:
    """Return the most seconds of audio that a task may produce, over all its clips.

    Args:
        params: effective parameters; a language model chosen among them may choose the length.
    """
    source = next((item for item in inputs if item.role is Role.SOURCE), None)
    if params.get("audio_duration") is not None:
        clip_s = float(params["audio_duration"])
    elif source is not None:
        clip_s = max_duration_s if source.duration is None else source.duration
    else:
        clip_s = AUTOMATIC_S if params.get("lm_model_path") is None else max_duration_s
    return min(clip_s, max_duration_s) * int(params["batch_size"])


def _check_waiting(what: str, waiting: int, limit: int | None) -> None:
    if limit is not None and waiting >= limit:
        raise QueueFullError(
            f"{what}: {waiting} of {limit} tasks waiting", retry_after_s=QUEUE_FULL_RETRY_AFTER_S
        )


def _check_use(period: str, use: Use, limit_s: int | None, wanted_s: float) -> None:
    used_s = use.produced_s + use.reserved_s
    # Halves of a microsecond are no audio: sums of binary fractions miss whole numbers by as much.
    if limit_s is not None and used_s + wanted_s > limit_s + 1e-6:
        raise QuotaExceededError(
            f"the team's {period} audio quota does not reach: {used_s:.0f} of {limit_s} seconds are used or "
            f"reserved, the task may produce {wanted_s:.0f}",
            retry_after_s=min(LONGEST_RETRY_AFTER_S, math.ceil(use.left_s)),
        )
