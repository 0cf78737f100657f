"""From a request to what will really run: checks, clamping, and the record of both."""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from inference.audio.wave import AudioClip
from inference.diffusion.conditioning import Conditioning, settle_conditioning
from inference.errors import InvalidRequest
from inference.models.registry import ModelSpec
from inference.request import GenerationRequest

MAX_ITEMS = 8
MAX_DURATION_S = 600.0
MAX_TIMESTEPS = 200
SHIFT_RANGE = (1.0, 5.0)
TASKS = ("text2music", "cover", "repaint")

# Fields of the record that are kept elsewhere (the items) or mean nothing outside this attempt.
_NOT_RECORDED = ("items", "source", "reference", "scratch_dir")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a batch is denoised, after the engine's clamping.

    Attributes:
        timesteps: without a trailing zero (the scheduler appends it); overrides steps and shift.
        stochastic: draw new noise in every step (`sde`).
    """

    steps: int
    shift: float
    guidance_scale: float = 1.0
    cfg_interval: tuple[float, float] = (0.0, 1.0)
    timesteps: tuple[float, ...] | None = None
    stochastic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will run.

    Attributes:
        duration_s: length of the source, if there is one; else the wanted one, of which the output has the
            next full latent frame (40 ms).
        effective: every parameter of the request with the value used.
    """

    duration_s: float
    sampling: Sampling
    conditioning: Conditioning
    effective: dict[str, Any]


def make_plan(
    request: GenerationRequest,
    spec: ModelSpec,
    *,
    source: AudioClip | None = None,
    reference: AudioClip | None = None,
) -> Plan:
    """Check the request against the model and settle every parameter.

    Args:
        source, reference: the samples behind the request's input files.

    Raises:
        InvalidRequest: the model cannot do this.
    """
    _check_task(request, spec)
    conditioning = settle_conditioning(request, source=source, reference=reference)
    duration_s = _duration(request, conditioning)
    sampling = _sampling(request, spec)
    effective = {name: value for name, value in asdict(request).items() if name not in _NOT_RECORDED}
    effective |= {
        "duration": duration_s,
        "steps": sampling.steps,
        "guidance_scale": sampling.guidance_scale,
        "shift": sampling.shift,
        "timesteps": sampling.timesteps,
        "use_adg": False,
        "use_tiled_decode": True,
        "seeds": [item.seed for item in request.items],
    }
    return Plan(
        duration_s=duration_s,
        sampling=sampling,
        conditioning=conditioning,
        effective=effective | _record(conditioning),
    )


def _check_task(request: GenerationRequest, spec: ModelSpec) -> None:
    if not 1 <= len(request.items) <= MAX_ITEMS:
        raise InvalidRequest("items", f"{len(request.items)} clips asked for, 1 to {MAX_ITEMS} are possible")
    if request.task_type not in spec.tasks:
        raise InvalidRequest(
            "task_type", f"{spec.name} does {', '.join(spec.tasks)}, not {request.task_type}"
        )
    if request.task_type not in TASKS:
        raise InvalidRequest("task_type", f"this release makes {', '.join(TASKS)} only")
    if any(item.audio_codes is not None for item in request.items):
        raise InvalidRequest("audio_codes", "this release takes no audio codes")
    if request.use_adg and spec.family != "turbo":
        raise InvalidRequest("use_adg", "this release has no angle-based guidance")


def _duration(request: GenerationRequest, conditioning: Conditioning) -> float:
    source = conditioning.source
    duration_s = request.duration if source is None else source.duration_s
    if duration_s is None:
        raise InvalidRequest("duration", "text2music needs a length in seconds")
    if not 0.0 < duration_s <= MAX_DURATION_S:
        raise InvalidRequest(
            "duration" if source is None else "source",
            f"{duration_s} s is not above 0 and at most {MAX_DURATION_S:.0f}",
        )
    return duration_s


def _record(conditioning: Conditioning) -> dict[str, Any]:
    """Return what the audio inputs were; the window in seconds of the output."""
    source, reference, window = conditioning.source, conditioning.reference, conditioning.window
    return {
        "source_sha256": source and source.sha256,
        "reference_sha256": reference and reference.sha256,
        "repaint_start": window and window[0],
        "repaint_end": window and window[1],
        "cover_strength": conditioning.cover_strength,
    }


def _sampling(request: GenerationRequest, spec: ModelSpec) -> Sampling:
    if request.infer_method not in ("ode", "sde"):
        raise InvalidRequest("infer_method", f"{request.infer_method!r} is not ode or sde")
    start, end = request.cfg_interval
    if not 0.0 <= start <= end <= 1.0:
        raise InvalidRequest("cfg_interval", f"{start} to {end} is not a part of 0 to 1, in rising order")
    timesteps = _timesteps(request.timesteps)
    low, high = SHIFT_RANGE
    return Sampling(
        steps=len(timesteps) if timesteps else min(max(request.steps, 1), spec.steps_max),
        shift=min(max(request.shift, low), high) if spec.shift is None else spec.shift,
        # Guidance is distilled into the turbo weights; the library warns about any other value.
        guidance_scale=1.0 if spec.family == "turbo" else request.guidance_scale,
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
