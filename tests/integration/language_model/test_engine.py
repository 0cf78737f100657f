"""The engine of both models: what it offers where, and one whole job."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from inference import tiny
from inference.audio.wave import Computed
from inference.diffusion.placement import Machine
from inference.engine import Engine, make_engine
from inference.errors import LMNotAvailable, ModelNotAvailable
from inference.language import LanguageOptions, Planning
from inference.models import registry
from inference.music import offered_language_models
from inference.request import EngineOptions, GenerationRequest, ItemSpec
from tests.integration.language_model.conftest import MODEL

pytestmark = pytest.mark.inference

TINY = "acestep-tiny-random"
PLANNING = Planning(options=LanguageOptions(seed=5, backend="vllm"), thinking=True)
REQUEST = GenerationRequest(
    model=TINY,
    items=tuple(ItemSpec(prompt="pop", lyrics="la", seed=seed) for seed in (1, 2)),
    duration=2.0,
    planning=PLANNING,
    scratch_dir="unused",
)


@pytest.fixture(scope="module")
def options(model_folder: Path) -> EngineOptions:
    tiny.build(model_folder.parent / TINY)
    return EngineOptions(
        models=(TINY,), models_dir=str(model_folder.parent), language_models=(MODEL,), device="cpu", threads=1
    )


@pytest.fixture(scope="module")
def engine(options: EngineOptions) -> Iterator[Engine]:
    engine = make_engine("", replace(options, lm_backend="vllm"))
    yield engine
    engine.close()


def compute(engine: Engine, request: GenerationRequest = REQUEST, told: list[Any] | None = None) -> Computed:
    return engine.compute(
        request, lambda *report: told.append(report) if told is not None else None, lambda: False
    )


def test_a_job_is_planned_and_made_with_its_codes(engine: Engine) -> None:
    told: list[Any] = []
    computed = compute(engine, told=told)
    record, song = computed.language, computed.song
    assert (record.model, record.backend_requested, record.backend_used) == (MODEL, "vllm", "pt")
    assert record.files["model.safetensors"]
    assert [len(codes) for codes in record.codes] == [10, 10]
    assert [wave.samples.shape[1] for wave in computed.waves] == [2 * 48_000] * 2
    assert (song.caption, song.lyrics, song.duration) == ("pop", "la", 2.0)
    assert song.bpm == record.written.bpm
    assert computed.seconds["lm"] > 0
    stages = list(dict.fromkeys(stage for stage, _, _ in told))
    assert stages == ["loading", "lm", "encoding", "diffusing", "decoding"]


def test_the_plan_changes_the_sound_and_its_seed_too(engine: Engine) -> None:
    planned = compute(engine).waves[0].samples
    assert (compute(engine).waves[0].samples == planned).all()
    assert (compute(engine, replace(REQUEST, planning=None)).waves[0].samples != planned).any()
    other = replace(PLANNING, options=replace(PLANNING.options, seed=6))
    assert (compute(engine, replace(REQUEST, planning=other)).waves[0].samples != planned).any()


def test_it_offers_and_holds_models_of_both_kinds(engine: Engine) -> None:
    compute(engine)
    assert [(model.name, model.category, model.backend) for model in engine.models()] == [
        (TINY, "turbo", None),
        (MODEL, "lm", "pt"),
    ]
    assert engine.loaded() == (TINY, MODEL)


def test_a_language_model_can_be_loaded_first(options: EngineOptions) -> None:
    engine = make_engine("", options)
    engine.load(MODEL)
    assert engine.loaded() == (MODEL,)
    engine.close()


def test_without_a_language_model_only_what_needs_one_fails(options: EngineOptions) -> None:
    engine = make_engine("", replace(options, language_models=()))
    with pytest.raises(LMNotAvailable):
        compute(engine)
    computed = compute(engine, replace(REQUEST, planning=replace(PLANNING, thinking=False)))
    assert computed.language.model == ""
    assert computed.language.notes == ("went on without the language model: language model not available",)
    engine.close()


def test_a_model_of_the_other_kind_is_refused(options: EngineOptions) -> None:
    with pytest.raises(ModelNotAvailable, match="is not a language model"):
        make_engine("", replace(options, language_models=(TINY,)))


REAL = "acestep-5Hz-lm-0.6B"
CPU = Machine(device=torch.device("cpu"))
SMALL = Machine(device=torch.device("cuda"), memory_bytes=8 * 10**9)
LARGE = Machine(device=torch.device("cuda"), memory_bytes=24 * 10**9)


@pytest.mark.parametrize(
    ("machine", "automatic", "offered"),
    [
        (CPU, True, [MODEL]),
        (SMALL, True, [MODEL]),
        (LARGE, True, [REAL, MODEL]),
        (CPU, False, [REAL, MODEL]),
    ],
)
def test_a_real_model_is_offered_where_it_fits(machine: Machine, automatic: bool, offered: list[str]) -> None:
    options = EngineOptions(
        models=(), models_dir="m", language_models=(REAL, MODEL), lm_where_it_fits=automatic
    )
    specs = offered_language_models(options, machine, lambda name: (registry.find(name), Path(name)))
    assert [spec.name for spec in specs] == offered
