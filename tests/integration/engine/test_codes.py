"""Audio codes on the tiny checkpoint: T14, T15, and that an item's codes are its own."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from inference.diffusion.conditioning import Conditioning
from inference.diffusion.pipeline import MusicPipeline
from inference.engine import Engine
from inference.errors import InvalidRequest
from inference.request import GenerationRequest, ItemSpec
from tests.pipelines import compute, denoise, difference_db

pytestmark = pytest.mark.inference

MODEL = "acestep-tiny-random"
CODES = tuple(int(code) for code in np.random.default_rng(1).integers(0, 64_000, size=50))
ITEMS = (
    ItemSpec(prompt="calm piano", lyrics="la", seed=3, audio_codes=CODES[:5]),
    ItemSpec(prompt="loud rock with many guitars", lyrics="", seed=4, audio_codes=CODES[5:10]),
)
REQUEST = GenerationRequest(model=MODEL, items=ITEMS, duration=30.0, scratch_dir="/unused")


@pytest.mark.parametrize("task_type", ["text2music", "cover"])
def test_t14_codes_give_the_length(engine: Engine, task_type: str) -> None:
    items = (replace(ITEMS[0], audio_codes=CODES),)
    computed = compute(engine, replace(REQUEST, task_type=task_type, items=items, steps=2))
    assert computed.waves[0].samples.shape == (2, 10 * 48_000)
    assert (computed.effective["duration"], computed.effective["audio_codes"]) == (10.0, 50)
    assert computed.audit["batches"][0]["latent_frames"] == 250


@pytest.mark.parametrize("count", [1, 3])
def test_any_number_of_codes_works(engine: Engine, count: int) -> None:
    items = tuple(replace(item, audio_codes=CODES[:count]) for item in ITEMS)
    computed = compute(engine, replace(REQUEST, items=items, duration=None))
    assert {wave.samples.shape for wave in computed.waves} == {(2, count * 9_600)}


def test_t15_items_must_not_differ_in_codes(engine: Engine) -> None:
    for mixed in (None, (), CODES[:4], (64_000,) * 5):
        items = (ITEMS[0], replace(ITEMS[1], audio_codes=mixed))
        with pytest.raises(InvalidRequest, match="audio_codes"):
            compute(engine, replace(REQUEST, items=items))


def test_text2music_with_codes_is_a_cover_of_them(turbo: MusicPipeline) -> None:
    text, cover = (
        denoise(turbo, ITEMS, conditioning=Conditioning(task_type=task)).latents
        for task in ("text2music", "cover")
    )
    assert torch.equal(text, cover)
    without = denoise(turbo, [replace(item, audio_codes=None) for item in ITEMS]).latents
    assert difference_db(text, without) > -100.0


def test_t3_every_item_follows_its_own_codes(pipeline: MusicPipeline) -> None:
    together = denoise(pipeline, ITEMS).latents
    for index, item in enumerate(ITEMS):
        assert difference_db(together[index], denoise(pipeline, [item]).latents[0]) <= -100.0
    swapped = denoise(pipeline, (ITEMS[0], replace(ITEMS[1], audio_codes=CODES[10:15]))).latents
    assert difference_db(swapped[0], together[0]) <= -100.0
    assert difference_db(swapped[1], together[1]) > -100.0


@pytest.mark.parametrize("task_type", ["text2music", "cover"])
def test_t6_no_strength_leaves_the_codes_out(pipeline: MusicPipeline, task_type: str) -> None:
    nothing = Conditioning(task_type=task_type, cover_strength=0.0)
    text = denoise(pipeline, [replace(item, audio_codes=None) for item in ITEMS]).latents
    assert torch.equal(denoise(pipeline, ITEMS, conditioning=nothing).latents, text)
    full = denoise(pipeline, ITEMS, conditioning=replace(nothing, cover_strength=1.0)).latents
    assert torch.equal(full, denoise(pipeline, ITEMS).latents)
