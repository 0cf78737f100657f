"""One batch through the model: items that share the length, and what it was in the record."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inference.audio.wave import Wave, level
from inference.device import device_errors
from inference.diffusion.encoding import MAX_TOKENS
from inference.diffusion.pipeline import Denoised, MusicPipeline
from inference.diffusion.placement import Placement
from inference.diffusion.plan import Plan
from inference.errors import Cancelled
from inference.request import ItemSpec, OnProgress, ShouldCancel


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Items that went through the model together, and the shapes they had there."""

    waves: tuple[Wave, ...]
    shapes: tuple[dict[str, Any], ...]


def run_batch(
    items: Sequence[ItemSpec],
    *,
    pipeline: MusicPipeline,
    placement: Placement,
    plan: Plan,
    on_progress: OnProgress,
    should_cancel: ShouldCancel,
) -> Batch:
    """Make the clips of all items of a plan, or of a part of them: each is the same in any company.

    Raises:
        Cancelled: asked to stop, around encoding and decoding, or between two steps or two items.
        NumericalError, OutOfMemory, DeviceError: the run failed.
    """

    def after_item(done: int) -> None:
        _stop_if_asked(should_cancel)
        on_progress("decoding", done, len(items))

    with device_errors(), placement.computing(pipeline):
        denoised = pipeline.denoise(
            items,
            duration_s=plan.duration_s,
            sampling=plan.sampling,
            conditioning=plan.conditioning,
            on_progress=on_progress,
            should_cancel=should_cancel,
        )
        _stop_if_asked(should_cancel)
        on_progress("decoding", 0, len(items))
        samples = pipeline.decode(denoised.latents, tiled=plan.tiled_decode, after_item=after_item).numpy()
    waves = tuple(
        level(plan.conditioning.finish(one), seed=item.seed) for one, item in zip(samples, items, strict=True)
    )
    return Batch(waves=waves, shapes=(_shape(denoised, plan),))


def _shape(denoised: Denoised, plan: Plan) -> dict[str, Any]:
    items, frames = denoised.latents.shape[:2]
    return {
        "items": items,
        "rows": 2 * items if plan.sampling.is_guided else items,
        "latent_frames": frames,
        "condition_tokens": denoised.condition_tokens,
        "prompt_and_lyrics_tokens": denoised.token_counts,
        "cut_at_tokens": MAX_TOKENS,
        "texts_cut": [_cut(counts) for counts in denoised.token_counts],
    }


def _cut(token_counts: tuple[int, int]) -> list[str]:
    """Return which of an item's texts the model did not hear to the end."""
    counted = zip(("prompt", "lyrics"), token_counts, MAX_TOKENS, strict=True)
    return [name for name, tokens, most in counted if tokens > most]


def _stop_if_asked(should_cancel: ShouldCancel) -> None:
    if should_cancel():
        raise Cancelled("cancelled")
