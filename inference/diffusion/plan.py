"""From a request to what will really run: checks, clamping, and the record of both."""

from dataclasses import dataclass, replace
from typing import Any

from inference.audio.wave import AudioClip
from inference.diffusion.codes import count_codes, length_s
from inference.diffusion.conditioning import Conditioning, settle_conditioning
from inference.diffusion.sampling import Sampling, settle_sampling
from inference.diffusion.tasks import instruction_of
from inference.errors import InvalidRequest
from inference.models.registry import ModelSpec
from inference.request import GenerationRequest, ItemSpec

MAX_ITEMS = 8
MAX_DURATION_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will run.

    Attributes:
        items: of the request, each with its instruction.
        duration_s: length of the source or of the codes, if there is one; else the wanted one, of which the
            output has the next full latent frame (40 ms).
        tiled_decode: decode long clips in overlapping pieces.
        effective: every parameter with the value used; None = it had no part in this run.
    """

    items: tuple[ItemSpec, ...]
    duration_s: float
    sampling: Sampling
    conditioning: Conditioning
    tiled_decode: bool
    effective: dict[str, Any]


def make_plan(
    request: GenerationRequest,
    spec: ModelSpec,
    *,
    source: AudioClip | None = None,
    reference: AudioClip | None = None,
    keep_source: bool = True,
) -> Plan:
    """Check the request against the model and settle every parameter.

    Args:
        source, reference: the samples behind the request's input files.
        keep_source: a repaint leaves the source outside its window as it is.

    Raises:
        InvalidRequest: the model cannot do this.
    """
    _check_task(request, spec)
    codes = count_codes(request.items, request.task_type)
    conditioning = settle_conditioning(
        request, source=source, reference=reference, has_codes=codes is not None, keep_source=keep_source
    )
    duration_s = _duration(request, conditioning, codes)
    sampling = settle_sampling(request, spec)
    items = tuple(replace(item, instruction=instruction_of(request, item)) for item in request.items)
    return Plan(
        items=items,
        duration_s=duration_s,
        sampling=sampling,
        conditioning=conditioning,
        tiled_decode=request.use_tiled_decode,
        effective={
            "model": request.model,
            "task_type": request.task_type,
            "duration": duration_s,
            "audio_codes": codes,
            "seeds": [item.seed for item in items],
            "instructions": [item.instruction for item in items],
            "use_tiled_decode": request.use_tiled_decode,
            "audio_format": request.audio_format,
            **sampling.record,
            **_record_of_inputs(conditioning),
        },
    )


def _check_task(request: GenerationRequest, spec: ModelSpec) -> None:
    if not 1 <= len(request.items) <= MAX_ITEMS:
        raise InvalidRequest("items", f"{len(request.items)} clips asked for, 1 to {MAX_ITEMS} are possible")
    if request.task_type not in spec.tasks:
        raise InvalidRequest(
            "task_type", f"{spec.name} does {', '.join(spec.tasks)}, not {request.task_type}"
        )


def _duration(request: GenerationRequest, conditioning: Conditioning, codes: int | None) -> float:
    field, duration_s = "duration", request.duration
    if conditioning.source is not None:
        field, duration_s = "source", conditioning.source.duration_s
    elif codes is not None:
        field, duration_s = "audio_codes", length_s(codes)
    if duration_s is None:
        raise InvalidRequest(field, f"{request.task_type} needs a length in seconds")
    if not 0.0 < duration_s <= MAX_DURATION_S:
        raise InvalidRequest(field, f"{duration_s} s is not above 0 and at most {MAX_DURATION_S:.0f}")
    return duration_s


def _record_of_inputs(conditioning: Conditioning) -> dict[str, Any]:
    """Return what the audio inputs were; the window in seconds of the output."""
    source, reference, window = conditioning.source, conditioning.reference, conditioning.window
    return {
        "source_sha256": source and source.sha256,
        "reference_sha256": reference and reference.sha256,
        "repaint_start": window and window[0],
        "repaint_end": window and window[1],
        "keep_source": conditioning.keep_source if window else None,
        "cover_strength": conditioning.cover_strength,
    }
