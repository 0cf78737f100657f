"""Pipeline and engine as their tests use them: one call, what the transformer saw, and distances."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from inference.audio.wave import Computed
from inference.diffusion.conditioning import Conditioning
from inference.diffusion.pipeline import Denoised, MusicPipeline
from inference.diffusion.sampling import Sampling
from inference.engine import Engine
from inference.request import GenerationRequest, ItemSpec

UNGUIDED = Sampling(steps=8, shift=3.0)
GUIDED = Sampling(steps=4, shift=3.0, guidance_scale=7.0)
TEXT_ONLY = Conditioning()


def denoise(
    pipeline: MusicPipeline,
    items: Sequence[ItemSpec],
    sampling: Sampling | None = None,
    conditioning: Conditioning = TEXT_ONLY,
    *,
    duration_s: float = 1.0,
) -> Denoised:
    """Run the loop without anybody who watches or stops it; base models are guided."""
    return pipeline.denoise(
        items,
        duration_s=duration_s if conditioning.source is None else conditioning.source.duration_s,
        sampling=sampling or (UNGUIDED if pipeline.is_turbo else GUIDED),
        conditioning=conditioning,
        on_progress=lambda stage, done, total: None,
        should_cancel=lambda: False,
    )


def compute(engine: Engine, request: GenerationRequest) -> Computed:
    """Generate without anybody who watches or stops it."""
    return engine.compute(request, lambda stage, done, total: None, lambda: False)


def difference_db(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return 20 log10(rms(a - b) / rms(b))."""
    ratio = float((a - b).pow(2).mean().sqrt() / b.pow(2).mean().sqrt())
    return 20.0 * math.log10(max(ratio, 1e-30))


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the transformer."""

    time: float
    rows: int


@contextmanager
def watched(pipeline: MusicPipeline) -> Iterator[list[Step]]:
    """Note every call of the transformer during the block."""
    steps: list[Step] = []
    hook = pipeline.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: steps.append(
            Step(float(kwargs["timestep"][0]), kwargs["hidden_states"].shape[0])
        ),
        with_kwargs=True,
    )
    try:
        yield steps
    finally:
        hook.remove()


@contextmanager
def seen_by_the_transformer(pipeline: MusicPipeline) -> Iterator[list[dict[str, Any]]]:
    """Note what the transformer gets in the end, behind all hooks."""
    seen: list[dict[str, Any]] = []
    forward = pipeline.transformer.forward

    def noting(*args: Any, **given: Any) -> Any:
        seen.append(given)
        return forward(*args, **given)

    pipeline.transformer.forward = noting
    try:
        yield seen
    finally:
        del pipeline.transformer.forward
