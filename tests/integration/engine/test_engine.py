"""The diffusion engine on the tiny checkpoint: T2 and T9 through the border, errors, the audit record."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inference.audio.encode import encode
from inference.audio.wave import Computed
from inference.device import device_errors
from inference.diffusion.engine import StageClock
from inference.diffusion.pipeline import Denoised, MusicPipeline
from inference.engine import Engine, make_engine
from inference.errors import Cancelled, DeviceError, InvalidRequest, ModelNotAvailable, OutOfMemory
from inference.models.record import hash_files
from inference.request import EngineOptions, GenerationRequest, ItemSpec
from tests.pipelines import compute

pytestmark = pytest.mark.inference

MODEL = "acestep-tiny-random"
ITEMS = tuple(ItemSpec(prompt=f"song {seed}", lyrics="la", seed=seed) for seed in (3, 4))
REQUEST = GenerationRequest(model=MODEL, items=ITEMS, duration=1.0, audio_format="wav", scratch_dir="/unused")


@pytest.fixture(scope="module")
def fresh(models_dir: Path) -> dict[str, Computed]:
    """What an engine that has done nothing else makes of the two requests of T9."""
    options = EngineOptions(models=(MODEL, COVER.model), models_dir=str(models_dir), device="cpu")
    return {request.model: compute(make_engine("", options), request) for request in (REQUEST, COVER)}


def test_t2_two_runs_give_equal_files_and_two_items_different_ones(engine: Engine, tmp_path: Path) -> None:
    hashes = []
    for run in range(2):
        for index, wave in enumerate(compute(engine, REQUEST).waves):
            clip = encode(wave, index=run * 2 + index, audio_format="wav", scratch_dir=tmp_path)
            hashes.append(clip.sha256)
    assert hashes[:2] == hashes[2:]
    assert hashes[0] != hashes[1]


def test_every_item_is_reproducible_alone(engine: Engine) -> None:
    together = compute(engine, REQUEST).waves[1]
    alone = compute(engine, replace(REQUEST, items=ITEMS[1:])).waves[0]
    assert together.seed == alone.seed == 4
    assert float(np.abs(together.samples - alone.samples).max()) < 1e-5


def test_t8_a_trailing_zero_of_the_timesteps_makes_no_difference(engine: Engine) -> None:
    timesteps = (0.97, 0.76, 0.615, 0.5, 0.395, 0.28, 0.18, 0.085)
    results = [
        compute(engine, replace(REQUEST, timesteps=given, steps=3))
        for given in (timesteps, (*timesteps, 0.0))
    ]
    for wave, expected in zip(*(result.waves for result in results), strict=True):
        assert np.array_equal(wave.samples, expected.samples)
    assert {result.effective["steps"] for result in results} == {8}
    assert not np.array_equal(results[0].waves[0].samples, compute(engine, REQUEST).waves[0].samples)


COVER = replace(
    REQUEST,
    model="acestep-tiny-random-base",
    task_type="cover",
    items=tuple(replace(item, audio_codes=(item.seed,) * 5) for item in ITEMS),
    cover_strength=0.5,
    steps=4,
    infer_method="sde",
    use_adg=True,
)


@pytest.mark.parametrize("request_", [REQUEST, COVER], ids=["plain", "every hook"])
@pytest.mark.parametrize(
    "last", [("encoding", 1), ("diffusing", 1), ("diffusing", 3), ("decoding", 0), ("decoding", 1)], ids=str
)
def test_t9_after_a_cancel_the_next_run_equals_that_of_a_fresh_engine(
    engine: Engine, fresh: dict[str, Computed], request_: GenerationRequest, last: tuple[str, int]
) -> None:
    reached: list[tuple[str, int]] = []
    with pytest.raises(Cancelled):
        engine.compute(
            request_, lambda stage, done, total: reached.append((stage, done)), lambda: last in reached
        )
    assert reached[-1] == last
    for wave, expected in zip(compute(engine, request_).waves, fresh[request_.model].waves, strict=True):
        assert np.array_equal(wave.samples, expected.samples)


def test_stages_come_in_order_with_one_report_a_step(engine: Engine) -> None:
    reports: list[tuple[str, int, int]] = []
    computed = engine.compute(REQUEST, lambda *report: reports.append(report), lambda: False)
    stages = list(dict.fromkeys(stage for stage, _, _ in reports))
    assert stages == ["loading", "encoding", "diffusing", "decoding"]
    assert [done for stage, done, _ in reports if stage == "diffusing"] == list(range(1, 9))
    assert list(computed.seconds) == stages


def test_the_audit_record_names_files_shapes_device_and_libraries(engine: Engine, models_dir: Path) -> None:
    computed = compute(engine, REQUEST)
    audit = computed.audit
    assert audit["files"] == hash_files(models_dir / MODEL)
    assert (audit["model"], audit["dtype"], audit["threads"]) == (MODEL, "float32", torch.get_num_threads())
    assert audit["device"].startswith("cpu")
    assert (audit["attention_backend"], audit["offload"], audit["compiled"]) == ("native", "none", "no")
    assert audit["versions"]["torch"] == torch.__version__
    assert audit["batches"][0]["rows"] == 2
    assert audit["batches"][0]["latent_frames"] == 25
    assert [len(lengths) for lengths in audit["batches"][0]["condition_tokens"]] == [2]
    assert (audit["attention_backend"], audit["compiled"]) == ("native", "no")
    assert computed.effective["seeds"] == [3, 4]


def test_the_record_tells_which_texts_were_cut(engine: Engine) -> None:
    items = (ITEMS[0], replace(ITEMS[1], lyrics="la " * 2100))
    (batch,) = compute(engine, replace(REQUEST, items=items, steps=1)).audit["batches"]
    assert batch["texts_cut"] == [[], ["lyrics"]]


def test_decoding_without_tiles_is_passed_on_and_recorded(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    decode = MusicPipeline.decode

    def noting(self: MusicPipeline, *args: Any, tiled: bool, **options: Any) -> torch.Tensor:
        asked.append(tiled)
        return decode(self, *args, tiled=tiled, **options)

    monkeypatch.setattr(MusicPipeline, "decode", noting)
    used = [compute(engine, replace(REQUEST, use_tiled_decode=wish)).effective for wish in (True, False)]
    assert asked == [one["use_tiled_decode"] for one in used] == [True, False]


def test_a_refused_request_leaves_the_engine_working(engine: Engine) -> None:
    with pytest.raises(InvalidRequest, match="task_type"):
        compute(engine, replace(REQUEST, task_type="lego"))
    assert len(compute(engine, REQUEST).waves) == 2


def test_missing_weights_are_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ModelNotAvailable, match="not on this machine"):
        make_engine("", EngineOptions(models=("acestep-v15-turbo",), models_dir=str(tmp_path)))


def test_a_named_engine_is_built_by_its_dotted_name(engine_options: EngineOptions) -> None:
    engine = make_engine("tests.engines.StubEngine", engine_options)
    assert [model.name for model in engine.models()] == [MODEL]


def test_a_batch_that_does_not_fit_is_made_in_halves_and_says_so(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = compute(engine, REQUEST)
    denoise = MusicPipeline.denoise

    def small_memory(pipeline: MusicPipeline, items: Sequence[ItemSpec], **options: Any) -> Denoised:
        if len(items) > 1:
            raise torch.OutOfMemoryError("the device has no memory left")
        return denoise(pipeline, items, **options)

    monkeypatch.setattr(MusicPipeline, "denoise", small_memory)
    halves = compute(engine, REQUEST)
    assert (whole.audit["halved"], len(whole.audit["batches"])) == (False, 1)
    assert (halves.audit["halved"], len(halves.audit["batches"])) == (True, 2)
    for one, other in zip(whole.waves, halves.waves, strict=True):
        assert one.seed == other.seed
        np.testing.assert_allclose(one.samples, other.samples, atol=1e-5)


def test_a_real_allocation_failure_is_out_of_memory() -> None:
    def allocate() -> None:
        with device_errors():
            torch.empty(2**60, dtype=torch.uint8)

    # In a thread of its own: glibc gives the thread that failed another, slower heap.
    with ThreadPoolExecutor(1) as pool:
        failed = pool.submit(allocate).exception()
    assert isinstance(failed, OutOfMemory)
    assert not failed.poisons_process


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), OutOfMemory),
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), DeviceError),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), DeviceError),
        (RuntimeError("shape mismatch"), RuntimeError),
    ],
)
def test_errors_of_the_library_get_their_meaning(error: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected) as failed, device_errors():
        raise error
    assert type(failed.value) is expected


def test_the_clock_adds_up_a_stage_that_comes_twice() -> None:
    clock = StageClock(lambda stage, done, total: None)
    for stage in ("encoding", "diffusing", "encoding"):
        clock(stage, 0, 1)
    assert list(clock.stop()) == ["encoding", "diffusing"]
