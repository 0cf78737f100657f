"""The pipeline on the tiny checkpoints: T1, T2, T3, T5, T8, T10, T11 of the tests of the diffusion engine."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AceStepPipeline

from inference.audio.wave import level
from inference.diffusion.pipeline import MusicPipeline
from inference.diffusion.sampling import Sampling
from inference.errors import ModelLoadError, NumericalError
from inference.request import SAMPLES_PER_FRAME, ItemSpec
from tests.pipelines import GUIDED, UNGUIDED, denoise, difference_db, watched

pytestmark = pytest.mark.inference

CPU = torch.device("cpu")
# The example of the API reference.
TIMESTEPS = (0.97, 0.76, 0.615, 0.5, 0.395, 0.28, 0.18, 0.085)
ITEMS = (
    ItemSpec(prompt="calm piano", lyrics="la la", seed=1, bpm=90),
    ItemSpec(
        prompt="loud rock, many guitars, a choir and a very long description of all of it",
        lyrics="[verse]\nword after word after word",
        vocal_language="de",
        keyscale="A minor",
        timesignature="3",
        seed=2,
    ),
    ItemSpec(prompt="", lyrics="", seed=2**32 - 1),
)


# 0.28 s is a length whose product with 25 floating point (and the library) rounds up once too often.
@pytest.mark.parametrize(("duration_s", "frames"), [(1.0, 25), (1.01, 26), (0.28, 7)])
def test_t1_shape_and_type(turbo: MusicPipeline, duration_s: float, frames: int) -> None:
    samples = turbo.decode(denoise(turbo, ITEMS[:2], duration_s=duration_s).latents)
    assert samples.shape == (2, 2, frames * SAMPLES_PER_FRAME)
    assert samples.dtype == torch.float32
    assert bool(torch.isfinite(samples).all())
    assert float(samples.abs().max()) > 0.01


def test_t2_same_seed_same_bytes_other_seed_other_samples(turbo: MusicPipeline) -> None:
    first, again = denoise(turbo, ITEMS).latents, denoise(turbo, ITEMS).latents
    assert torch.equal(first, again)
    assert torch.equal(turbo.decode(first), turbo.decode(again))
    other = denoise(turbo, [replace(item, seed=77) for item in ITEMS]).latents
    assert difference_db(other, first) > -20.0


@pytest.mark.parametrize("stochastic", [False, True], ids=["ode", "sde"])
def test_t3_an_item_in_a_mixed_batch_equals_the_item_alone(pipeline: MusicPipeline, stochastic: bool) -> None:
    sampling = replace(UNGUIDED if pipeline.is_turbo else GUIDED, stochastic=stochastic)
    together = denoise(pipeline, ITEMS, sampling)
    assert len(set(together.token_counts)) == len(ITEMS)
    samples = pipeline.decode(together.latents)
    for index, item in enumerate(ITEMS):
        alone = denoise(pipeline, [item], sampling)
        assert difference_db(together.latents[index], alone.latents[0]) <= -100.0
        assert difference_db(samples[index], pipeline.decode(alone.latents)[0]) <= -100.0


def test_t3_would_notice_an_item_that_hears_its_padding(
    turbo: MusicPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = denoise(turbo, ITEMS[:1]).latents[0]
    monkeypatch.setattr(turbo._cross_mask, "for_rows", lambda rows: None)
    assert difference_db(denoise(turbo, ITEMS).latents[0], alone) > -100.0


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "other"},
        {"lyrics": "other"},
        {"bpm": 91},
        {"keyscale": "C major"},
        {"timesignature": "6"},
        {"vocal_language": "fr"},
        {"instruction": "Sing:"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_text_field_of_an_item_reaches_the_model(turbo: MusicPipeline, change: dict[str, Any]) -> None:
    plain = denoise(turbo, ITEMS[:2]).latents
    changed = denoise(turbo, (replace(ITEMS[0], **change), ITEMS[1])).latents
    assert difference_db(changed[0], plain[0]) > -100.0
    assert difference_db(changed[1], plain[1]) <= -100.0


def test_texts_are_cut_where_the_library_cuts_them_and_the_length_before_is_told(
    turbo: MusicPipeline,
) -> None:
    long = replace(ITEMS[0], prompt="a " * 300, lyrics="b " * 2100)
    longer = replace(long, prompt=long.prompt + "c", lyrics=long.lyrics + "d")
    cut, also_cut = denoise(turbo, [long]), denoise(turbo, [longer])
    assert torch.equal(cut.latents, also_cut.latents)
    ((prompt, lyrics),), (longer_counts,) = cut.token_counts, also_cut.token_counts
    assert (prompt > 256, lyrics > 2048) == (True, True)
    assert longer_counts > (prompt, lyrics)
    assert cut.condition_tokens[0][0] < 256 + 2048 + 10


def test_t5_sde_repeats_differs_from_ode_and_leaves_no_trace(turbo: MusicPipeline) -> None:
    before = denoise(turbo, ITEMS).latents
    sde = denoise(turbo, ITEMS, replace(UNGUIDED, stochastic=True)).latents
    assert torch.equal(sde, denoise(turbo, ITEMS, replace(UNGUIDED, stochastic=True)).latents)
    assert difference_db(sde, before) > -40.0
    assert torch.equal(denoise(turbo, ITEMS).latents, before)


def test_t8_the_documented_timesteps_make_eight_calls(turbo: MusicPipeline) -> None:
    with watched(turbo) as steps:
        denoise(turbo, ITEMS[:1], Sampling(steps=50, shift=1.0, timesteps=TIMESTEPS))
    assert [step.time for step in steps] == pytest.approx(TIMESTEPS)


def test_t10_tiled_decoding_equals_full_decoding(turbo: MusicPipeline) -> None:
    latents = torch.randn(2, 540, 8, generator=torch.Generator().manual_seed(3))
    lengths: list[int] = []
    hook = turbo.vae.decoder.register_forward_pre_hook(lambda module, args: lengths.append(args[0].shape[-1]))
    try:
        tiled, full = turbo.decode(latents), turbo.decode(latents[:1], tiled=False)
    finally:
        hook.remove()
    assert lengths == [448, 220, 448, 220, 540]
    assert float((tiled[0] - full[0]).abs().max()) <= 1e-5
    assert turbo.vae.use_tiling


def test_t11_own_output_equals_that_of_the_library(turbo: MusicPipeline, models_dir: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*weight_norm.*", category=FutureWarning)
        library = AceStepPipeline.from_pretrained(models_dir / "acestep-tiny-random", local_files_only=True)
    library.set_progress_bar_config(disable=True)
    item = ITEMS[0]
    theirs = library(
        prompt=[item.prompt],
        lyrics=[item.lyrics],
        audio_duration=1.0,
        vocal_language=item.vocal_language,
        bpm=item.bpm,
        num_inference_steps=8,
        guidance_scale=1.0,
        shift=3.0,
        generator=[torch.Generator("cpu").manual_seed(item.seed)],
    ).audios[0]
    ours = level(turbo.decode(denoise(turbo, [item]).latents)[0].numpy(), seed=item.seed)
    assert float((torch.from_numpy(ours.samples) - theirs).abs().max()) <= 1e-6


def test_t11_latents_that_are_not_finite_are_an_error(turbo: MusicPipeline, models_dir: Path) -> None:
    broken = MusicPipeline.load(models_dir / "acestep-tiny-random", device=CPU, dtype=torch.float32)
    with torch.no_grad():
        broken.transformer.proj_out_conv.bias.fill_(float("nan"))
    with pytest.raises(NumericalError, match="not finite"):
        denoise(broken, ITEMS[:1])
    with torch.no_grad():
        broken.transformer.proj_out_conv.bias.copy_(turbo.transformer.proj_out_conv.bias)
    assert torch.equal(denoise(broken, ITEMS[:1]).latents, denoise(turbo, ITEMS[:1]).latents)


def test_t11_a_silent_model_is_flagged(models_dir: Path) -> None:
    mute = MusicPipeline.load(models_dir / "acestep-tiny-random", device=CPU, dtype=torch.float32)
    with torch.no_grad():
        mute.vae.decoder.conv2.weight_g.zero_()
    wave = level(mute.decode(denoise(mute, ITEMS[:1]).latents)[0].numpy(), seed=1)
    assert wave.silent
    assert wave.peak < 1e-4


def test_broken_files_are_an_error_without_a_path(models_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "some-model"
    folder.mkdir()
    (folder / "model_index.json").write_bytes(
        (models_dir / "acestep-tiny-random-base" / "model_index.json").read_bytes()
    )
    with pytest.raises(ModelLoadError, match="some-model") as broken:
        MusicPipeline.load(folder, device=CPU, dtype=torch.float32)
    assert str(tmp_path) not in str(broken.value)
