"""Source and reference on the tiny checkpoints: T2, T4, T13 and T15 of the tests of the diffusion engine."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.diffusion.conditioning import Conditioning
from inference.diffusion.pipeline import MusicPipeline
from inference.engine import Engine
from inference.errors import AudioUnreadable, Cancelled, InvalidRequest
from inference.request import GenerationRequest, InputAudio, ItemSpec
from tests.audio import a_clip_of, a_tone, an_input, write_audio
from tests.pipelines import UNGUIDED, compute, denoise, difference_db, seen_by_the_transformer

pytestmark = pytest.mark.inference

MODEL = "acestep-tiny-random"
ITEMS = (
    ItemSpec(prompt="calm piano", lyrics="la", seed=3),
    ItemSpec(prompt="loud rock with many guitars and a choir", lyrics="[verse]\nword after word", seed=4),
)
SOURCE = a_tone(1.31)  # 32.75 latent frames: the last one is filled up
REFERENCE = a_tone(0.71)  # no whole number of latent frames
COVER = Conditioning(task_type="cover", source=a_clip_of(SOURCE))
REPAINT = Conditioning(task_type="repaint", source=a_clip_of(SOURCE), window=(0.4, 0.9), keep_source=True)


@pytest.fixture
def cover(tmp_path: Path) -> GenerationRequest:
    return GenerationRequest(
        model=MODEL,
        task_type="cover",
        items=ITEMS,
        duration=30.0,
        source=an_input(tmp_path / "source", SOURCE),
        scratch_dir=str(tmp_path),
    )


def latents(pipeline: MusicPipeline, items: Sequence[ItemSpec], conditioning: Conditioning) -> torch.Tensor:
    return denoise(pipeline, items, conditioning=conditioning, duration_s=1.31).latents


@pytest.mark.parametrize(
    "conditioning",
    [COVER, REPAINT, replace(COVER, cover_strength=0.5)],
    ids=["cover", "repaint", "half a cover"],
)
def test_t2_t4_a_run_repeats_and_an_item_equals_the_item_alone(
    pipeline: MusicPipeline, conditioning: Conditioning
) -> None:
    together = latents(pipeline, ITEMS, conditioning)
    torch.manual_seed(99)  # whatever others drew must not matter
    assert torch.equal(together, latents(pipeline, ITEMS, conditioning))
    for index, item in enumerate(ITEMS):
        assert difference_db(together[index], latents(pipeline, [item], conditioning)[0]) <= -100.0
    assert difference_db(together[0], together[1]) > -40.0


@pytest.mark.parametrize(
    ("pipeline", "conditioning"),
    [("turbo", Conditioning()), ("base", COVER)],
    indirect=["pipeline"],
    ids=["text2music", "guided cover"],
)
def test_t2_t4_with_a_reference(pipeline: MusicPipeline, conditioning: Conditioning) -> None:
    without = latents(pipeline, ITEMS, conditioning)
    conditioning = replace(conditioning, reference=a_clip_of(REFERENCE))
    together = latents(pipeline, ITEMS, conditioning)
    assert difference_db(together, without) > -100.0
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    assert torch.equal(together, latents(pipeline, ITEMS, conditioning))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert difference_db(together[1], latents(pipeline, ITEMS[1:], conditioning)[0]) <= -100.0


def test_a_short_reference_is_repeated_without_a_gap(
    turbo: MusicPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[torch.Tensor] = []
    encode = turbo.vae.encode

    def noting(samples: torch.Tensor) -> object:
        heard.append(samples)
        return encode(samples)

    monkeypatch.setattr(turbo.vae, "encode", noting)
    latents(turbo, ITEMS[:1], Conditioning(reference=a_clip_of(REFERENCE)))
    piece = torch.from_numpy(REFERENCE)
    assert heard[0].shape == (1, 2, 30 * 48_000)
    assert torch.equal(heard[0][0, :, : 3 * piece.shape[1]], piece.repeat(1, 3))


def test_the_global_generator_is_left_as_it_was(turbo: MusicPipeline) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    latents(turbo, ITEMS[:1], COVER)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_source_window_and_strength_reach_the_model(turbo: MusicPipeline) -> None:
    plain = latents(turbo, ITEMS, COVER)
    for change in (
        {"source": a_clip_of(SOURCE[:, ::-1].copy())},
        {"cover_strength": 0.3},
        {"task_type": "repaint", "window": (0.4, 0.9)},
    ):
        assert difference_db(latents(turbo, ITEMS, replace(COVER, **change)), plain) > -100.0, change
    other_window = latents(turbo, ITEMS, replace(REPAINT, window=(0.0, 0.3)))
    assert difference_db(other_window, latents(turbo, ITEMS, REPAINT)) > -100.0


@pytest.mark.parametrize("task_type", ["repaint", "lego"])
@pytest.mark.parametrize(
    ("window", "frames"), [((0.41, 0.9), range(10, 23)), ((1.16, 1.31), range(29, 33)), (None, range(33))]
)
def test_the_model_makes_every_frame_that_the_window_touches(
    base: MusicPipeline, task_type: str, window: tuple[float, float] | None, frames: range
) -> None:
    with seen_by_the_transformer(base) as seen:
        denoise(base, ITEMS[:1], UNGUIDED, replace(REPAINT, task_type=task_type, window=window))
    made = seen[0]["context_latents"][0, :, 8]
    assert made.tolist() == [1.0 if frame in frames else 0.0 for frame in range(33)]
    # A repaint does not hear what it replaces, a new track does.
    silence = base.condition_encoder.silence_latent[0, 0]
    heard = seen[0]["context_latents"][0, frames[0], :8]
    assert torch.equal(heard, silence) == (task_type == "repaint")


def test_after_a_source_text2music_is_what_it_was(turbo: MusicPipeline) -> None:
    before = denoise(turbo, ITEMS[:1])
    latents(turbo, ITEMS, replace(COVER, cover_strength=0.5))
    after = denoise(turbo, ITEMS[:1])
    assert torch.equal(after.latents, before.latents)
    assert after.condition_tokens == before.condition_tokens


def test_a_cover_has_the_length_of_its_source(engine: Engine, cover: GenerationRequest) -> None:
    computed = compute(engine, cover)
    assert [wave.samples.shape for wave in computed.waves] == [SOURCE.shape] * 2
    assert computed.effective["duration"] == pytest.approx(1.31)
    assert cover.source is not None
    assert computed.effective["source_sha256"] == cover.source.sha256
    again = compute(engine, cover)
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(computed.waves, again.waves, strict=True))


def test_t13_a_repaint_keeps_the_source_outside_the_window(engine: Engine, cover: GenerationRequest) -> None:
    request = replace(cover, task_type="repaint", repaint_start=0.4, repaint_end=0.9)
    (wave, _) = compute(engine, request).waves
    outside = np.r_[0 : int(0.4 * 48_000), int(0.9 * 48_000) : SOURCE.shape[1]]
    kept, source = wave.samples[:, outside], SOURCE[:, outside]
    gain = float((kept * source).sum() / (source * source).sum())
    assert difference_db(torch.from_numpy(kept), torch.from_numpy(gain * source)) <= -100.0
    inside = slice(int(0.5 * 48_000), int(0.8 * 48_000))
    made, replaced = wave.samples[:, inside], gain * SOURCE[:, inside]
    assert difference_db(torch.from_numpy(made), torch.from_numpy(replaced)) > -20.0


@pytest.mark.parametrize("samples", [1, 1_919, 1_920, 1_921])
def test_very_short_sources_work(engine: Engine, cover: GenerationRequest, samples: int) -> None:
    path = Path(cover.scratch_dir) / "short"
    request = replace(cover, items=ITEMS[:1], source=an_input(path, SOURCE[:, :samples]))
    for task_type in ("cover", "repaint"):
        (wave,) = compute(engine, replace(request, task_type=task_type)).waves
        assert wave.samples.shape == (2, samples)


def test_a_source_longer_than_a_tile_of_the_encoder_keeps_its_length(
    engine: Engine, cover: GenerationRequest
) -> None:
    long = an_input(Path(cover.scratch_dir) / "long", a_tone(31.01))
    (wave,) = compute(engine, replace(cover, items=ITEMS[:1], source=long, steps=1)).waves
    assert wave.samples.shape == (2, round(31.01 * 48_000))


def test_t15_a_missing_source_is_refused(engine: Engine, cover: GenerationRequest) -> None:
    for task_type in ("cover", "repaint"):
        with pytest.raises(InvalidRequest, match="needs a source"):
            compute(engine, replace(cover, task_type=task_type, source=None))
    with pytest.raises(InvalidRequest, match="task_type"):
        compute(engine, replace(cover, task_type="lego"))


def test_a_file_that_is_not_normalised_is_unreadable(engine: Engine, cover: GenerationRequest) -> None:
    folder = Path(cover.scratch_dir)
    (folder / "text").write_text("not audio")
    write_audio(folder / "mono", a_tone(0.1, channels=1))
    for name in ("text", "mono", "missing"):
        with pytest.raises(AudioUnreadable) as failed:
            compute(engine, replace(cover, source=InputAudio(path=str(folder / name), sha256="00")))
        assert str(folder) not in str(failed.value)
    assert len(compute(engine, cover).waves) == 2


def test_a_cancel_before_the_source_is_encoded_stops_there(engine: Engine, cover: GenerationRequest) -> None:
    reached: list[tuple[str, int, int]] = []
    with pytest.raises(Cancelled):
        engine.compute(cover, lambda *report: reached.append(report), lambda: ("encoding", 1, 2) in reached)
    assert reached[-1] == ("encoding", 1, 2)
