"""How a batch is denoised: steps, schedule, guidance, noise."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from inference.errors import InvalidRequest
from inference.models.registry import ModelSpec
from inference.request import GenerationRequest

MAX_TIMESTEPS = 200
SHIFT_RANGE = (1.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a batch is denoised, after the engine's clamping.

    Attributes:
        guidance_scale: above 1.0 every item takes two rows, one without its condition.
        angle_guidance: guide by angles instead of the library's way.
        timesteps: without a trailing zero (the scheduler appends it); overrides steps and shift.
        stochastic: draw new noise in every step (`sde`).
    """

    steps: int
    shift: float
    guidance_scale: float = 1.0
    angle_guidance: bool = False
    cfg_interval: tuple[float, float] = (0.0, 1.0)
    timesteps: tuple[float, ...] | None = None
    stochastic: bool = False

    @property
    def is_guided(self) -> bool:
        """Whether guidance is on, at least in a part of the steps."""
        return self.guidance_scale > 1.0

    @property
    def record(self) -> dict[str, Any]:
        """Return every parameter with the value used; None = it has no part in this run."""
        return {
            "steps": self.steps,
            "timesteps": self.timesteps,
            "shift": None if self.timesteps else self.shift,
            "infer_method": "sde" if self.stochastic else "ode",
            "guidance_scale": self.guidance_scale,
            "use_adg": self.angle_guidance,
            "cfg_interval": self.cfg_interval if self.is_guided else None,
        }


def settle_sampling(request: GenerationRequest, spec: ModelSpec) -> Sampling:
    """Clamp numbers to what the model can do.

    Raises:
        InvalidRequest: a choice or a schedule that no model can do.
    """
    if request.infer_method not in ("ode", "sde"):
        raise InvalidRequest("infer_method", f"{request.infer_method!r} is not ode or sde")
    start, end = request.cfg_interval
    if not 0.0 <= start <= end <= 1.0:
        raise InvalidRequest("cfg_interval", f"{start} to {end} is not a part of 0 to 1, in rising order")
    timesteps = _timesteps(request.timesteps)
    low, high = SHIFT_RANGE
    # Guidance is distilled into the turbo weights; the library warns about any other value.
    scale = 1.0 if spec.family == "turbo" else request.guidance_scale
    if not 0.0 <= scale < math.inf:
        raise InvalidRequest("guidance_scale", f"{scale} is not a number from 0")
    return Sampling(
        steps=len(timesteps) if timesteps else min(max(request.steps, 1), spec.steps_max),
        shift=min(max(request.shift, low), high) if spec.shift is None else spec.shift,
        guidance_scale=scale,
        angle_guidance=request.use_adg and scale > 1.0,
        cfg_interval=(start, end),
        timesteps=timesteps,
        stochastic=request.infer_method == "sde",
    )


def _timesteps(given: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Drop trailing zeros (the scheduler appends one itself) and check the rest; None = none given."""
    if not given:
        return None
    last = max((place for place, value in enumerate(given) if value != 0.0), default=-1)
    timesteps = given[: last + 1]
    inside = all(0.0 < value <= 1.0 for value in timesteps)
    falling = all(earlier > later for earlier, later in pairwise(timesteps))
    if not timesteps or not inside or not falling:
        raise InvalidRequest("timesteps", "must fall strictly from at most 1 to above 0")
    if len(timesteps) > MAX_TIMESTEPS:
        raise InvalidRequest("timesteps", f"{len(timesteps)} values, at most {MAX_TIMESTEPS} are possible")
    return timesteps
