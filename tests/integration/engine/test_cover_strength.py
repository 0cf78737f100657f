"""T6: a cover follows its source for a share of the steps, and the texts alone for the rest."""

from dataclasses import replace

import pytest
import torch

from inference.diffusion.conditioning import Conditioning
from inference.diffusion.pipeline import MusicPipeline
from inference.diffusion.sampling import Sampling
from inference.request import ItemSpec
from tests.audio import a_clip_of, a_tone
from tests.pipelines import GUIDED, UNGUIDED, denoise, difference_db, seen_by_the_transformer, watched

pytestmark = pytest.mark.inference

SOURCE, REFERENCE = a_clip_of(a_tone(1.0)), a_clip_of(a_tone(0.7))
COVER = Conditioning(task_type="cover", source=SOURCE, cover_strength=1.0)
# Of different length, so that the conditions are padded.
ITEMS = (
    ItemSpec(prompt="calm piano", lyrics="la", seed=3),
    ItemSpec(prompt="loud rock with many guitars and a choir", lyrics="[verse]\nword after word", seed=4),
)


def test_t6_full_strength_is_the_cover_and_none_is_text2music(pipeline: MusicPipeline) -> None:
    cover = denoise(pipeline, ITEMS, conditioning=replace(COVER, cover_strength=None))
    assert torch.equal(denoise(pipeline, ITEMS, conditioning=COVER).latents, cover.latents)
    text = denoise(pipeline, ITEMS)
    nothing = denoise(pipeline, ITEMS, conditioning=replace(COVER, cover_strength=0.0))
    assert torch.equal(nothing.latents, text.latents)
    half = denoise(pipeline, ITEMS, conditioning=replace(COVER, cover_strength=0.5)).latents
    assert difference_db(half, cover.latents) > -60.0
    assert difference_db(half, text.latents) > -60.0


def test_t6_with_a_reference_and_guidance(base: MusicPipeline) -> None:
    text = Conditioning(reference=REFERENCE)
    sampling = replace(GUIDED, steps=2)
    nothing = denoise(base, ITEMS, sampling, replace(COVER, reference=REFERENCE, cover_strength=0.0))
    assert torch.equal(nothing.latents, denoise(base, ITEMS, sampling, text).latents)


@pytest.mark.parametrize("strength", [1.0, 0.7, 0.5, 0.3, 0.0])
@pytest.mark.parametrize(
    "sampling", [UNGUIDED, replace(UNGUIDED, guidance_scale=7.0)], ids=["plain", "guided"]
)
def test_t6_the_transformer_is_called_once_a_step_and_switches_in_time(
    base: MusicPipeline, sampling: Sampling, strength: float
) -> None:
    conditioning = replace(COVER, cover_strength=strength)
    with seen_by_the_transformer(base) as seen:
        denoised = denoise(base, ITEMS, sampling, conditioning)
    assert len(seen) == 8
    silence = base.condition_encoder.silence_latent[0, 0]
    follows = [not torch.equal(given["context_latents"][0, 0, :8], silence) for given in seen]
    assert follows == [True] * int(8 * strength) + [False] * (8 - int(8 * strength))
    assert len(denoised.condition_tokens) == (1 if strength == 1.0 else 2)


def test_t6_with_guidance_the_null_half_stays_null_and_the_context_is_in_both(base: MusicPipeline) -> None:
    with seen_by_the_transformer(base) as seen:
        denoise(base, ITEMS, GUIDED, replace(COVER, cover_strength=0.5))
    null = base.condition_encoder.null_condition_emb[0, 0]
    for given in seen:
        conditions, nulls = given["encoder_hidden_states"].chunk(2)
        assert torch.equal(nulls, null.expand_as(nulls))
        assert not torch.equal(conditions, nulls)
        first, second = given["context_latents"].chunk(2)
        assert torch.equal(first, second)
    assert not torch.equal(seen[0]["context_latents"], seen[-1]["context_latents"])
    assert bool((seen[-1]["context_latents"][..., 8:] == 1.0).all())


def test_t6_half_a_cover_with_own_timesteps_counts_their_steps(turbo: MusicPipeline) -> None:
    sampling = Sampling(steps=8, shift=3.0, timesteps=(1.0, 0.7, 0.4, 0.2))
    conditioning = replace(COVER, cover_strength=0.5)
    with seen_by_the_transformer(turbo) as seen:
        denoise(turbo, ITEMS, sampling, conditioning)
    silence = turbo.condition_encoder.silence_latent[0, 0]
    follows = [not torch.equal(given["context_latents"][0, 0, :8], silence) for given in seen]
    assert follows == [True, True, False, False]


def test_after_half_a_cover_everything_is_as_before(pipeline: MusicPipeline) -> None:
    before = denoise(pipeline, ITEMS, conditioning=COVER).latents
    denoise(pipeline, ITEMS, conditioning=replace(COVER, cover_strength=0.5))
    with watched(pipeline) as steps:
        assert torch.equal(denoise(pipeline, ITEMS, conditioning=COVER).latents, before)
    assert len(steps) == (8 if pipeline.is_turbo else 4)
    assert not pipeline.transformer._forward_pre_hooks
    assert not pipeline.transformer._forward_hooks
    assert len(pipeline.condition_encoder._forward_hooks) == 1
