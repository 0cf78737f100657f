"""Guidance on the tiny base checkpoint: T7, and the interval in which it works."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.pipelines.ace_step import pipeline_ace_step as library

from inference.diffusion.conditioning import Conditioning
from inference.diffusion.guidance import guide
from inference.diffusion.pipeline import MusicPipeline
from inference.diffusion.sampling import Sampling
from inference.request import ItemSpec
from tests.audio import a_clip_of, a_tone
from tests.pipelines import denoise, difference_db, watched

pytestmark = pytest.mark.inference

ITEMS = (
    ItemSpec(prompt="calm piano", lyrics="la", seed=3),
    ItemSpec(prompt="loud rock with many guitars and a choir", lyrics="[verse]\nword after word", seed=4),
)
GUIDED = Sampling(steps=10, shift=1.0, guidance_scale=7.0)
ANGLED = replace(GUIDED, angle_guidance=True)


@contextmanager
def guidance_of_the_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[torch.Tensor, ...]]]:
    """Note what goes into the library's own guidance and what comes out of it."""
    calls: list[tuple[torch.Tensor, ...]] = []
    original = library.normalized_guidance

    def noting(pred_cond: torch.Tensor, pred_uncond: torch.Tensor, **options: Any) -> torch.Tensor:
        result = original(pred_cond=pred_cond, pred_uncond=pred_uncond, **options)
        calls.append((pred_cond, pred_uncond, result))
        return result

    with monkeypatch.context() as patched:
        patched.setattr(library, "normalized_guidance", noting)
        yield calls


def test_t7_the_guided_velocity_passes_through_the_library_unchanged(
    base: MusicPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw: list[torch.Tensor] = []
    inputs: list[dict[str, torch.Tensor]] = []
    # Registered before the call hangs its own in: it sees what the transformer itself says.
    hook = base.transformer.register_forward_hook(
        lambda module, args, kwargs, output: (raw.append(output[0]), inputs.append(kwargs))[-1],
        with_kwargs=True,
    )
    try:
        with guidance_of_the_library(monkeypatch) as calls:
            denoise(base, ITEMS, ANGLED)
    finally:
        hook.remove()
    assert len(calls) == len(raw) == 10
    for (conditioned, null, result), velocity, given in zip(calls, raw, inputs, strict=True):
        assert torch.equal(conditioned, null)
        assert float((result - conditioned).abs().max()) <= 1e-6
        expected = guide(
            *velocity.chunk(2),
            latents=given["hidden_states"][:2],
            time=given["timestep"][:2, None, None],
            scale=7.0,
        )
        assert float((result - expected).abs().max()) <= 1e-6


def test_t7_it_differs_from_the_librarys_guidance_which_is_back_afterwards(base: MusicPipeline) -> None:
    before = denoise(base, ITEMS, GUIDED).latents
    angled = denoise(base, ITEMS, ANGLED).latents
    assert difference_db(angled, before) > -60.0
    assert torch.equal(denoise(base, ITEMS, GUIDED).latents, before)


@pytest.mark.parametrize("sampling", [GUIDED, ANGLED], ids=["library", "angles"])
@pytest.mark.parametrize(
    ("interval", "guided"), [((0.0, 1.0), range(10)), ((0.25, 0.65), range(3, 7)), ((0.95, 1.0), range(0))]
)
def test_t7_guidance_works_in_its_interval_only(
    base: MusicPipeline, sampling: Sampling, interval: tuple[float, float], guided: range
) -> None:
    with watched(base) as steps:
        denoise(base, ITEMS, replace(sampling, cfg_interval=interval))
    # Two items: outside the interval the rows are even too, and must not be taken for a pair.
    assert [step.rows for step in steps] == [4 if step in guided else 2 for step in range(10)]


def test_t7_outside_the_interval_angles_change_nothing(base: MusicPipeline) -> None:
    never = {"cfg_interval": (0.95, 1.0)}
    plain = denoise(base, ITEMS, replace(GUIDED, guidance_scale=1.0)).latents
    assert torch.equal(denoise(base, ITEMS, replace(ANGLED, **never)).latents, plain)


@pytest.mark.parametrize("interval", [(0.0, 1.0), (0.3, 0.7)])
def test_t3_an_item_equals_the_item_alone_with_angles(
    base: MusicPipeline, interval: tuple[float, float]
) -> None:
    sampling = replace(ANGLED, cfg_interval=interval)
    together = denoise(base, ITEMS, sampling).latents
    for index, item in enumerate(ITEMS):
        assert difference_db(together[index], denoise(base, [item], sampling).latents[0]) <= -100.0


def test_every_hook_works_in_the_precision_of_a_gpu(models_dir: Path) -> None:
    half = MusicPipeline.load(
        models_dir / "acestep-tiny-random-base", device=torch.device("cpu"), dtype=torch.bfloat16
    )
    cover = Conditioning(task_type="cover", source=a_clip_of(a_tone(1.0)), cover_strength=0.5)
    latents = denoise(half, ITEMS, replace(ANGLED, stochastic=True), cover).latents
    assert latents.dtype == torch.bfloat16
    assert half.decode(latents).dtype == torch.float32


def test_t6_t7_half_a_cover_with_angles_in_a_part_of_the_steps_repeats(base: MusicPipeline) -> None:
    cover = Conditioning(task_type="cover", source=a_clip_of(a_tone(1.0)), cover_strength=0.5)
    sampling = replace(ANGLED, cfg_interval=(0.3, 0.7))
    first = denoise(base, ITEMS, sampling, cover).latents
    assert torch.equal(denoise(base, ITEMS, sampling, cover).latents, first)
    assert difference_db(first[1], denoise(base, ITEMS[1:], sampling, cover).latents[0]) <= -100.0
