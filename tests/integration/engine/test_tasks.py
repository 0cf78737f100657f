"""All six tasks on the tiny base checkpoint, through the border of the engine: T1, T2, T3, T15."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.diffusion.batch import run_batch
from inference.diffusion.engine import DiffusionEngine
from inference.diffusion.pipeline import MusicPipeline
from inference.diffusion.placement import Placement
from inference.diffusion.plan import Plan, make_plan
from inference.engine import Engine, make_engine
from inference.errors import InvalidRequest
from inference.models import registry
from inference.request import EngineOptions, GenerationRequest, ItemSpec
from tests.audio import a_clip_of, a_tone, an_input
from tests.pipelines import compute, difference_db

pytestmark = pytest.mark.inference

BASE = "acestep-tiny-random-base"
TASKS = ("text2music", "cover", "repaint", "lego", "extract", "complete")
SOURCE = a_tone(1.31)
ITEMS = (
    ItemSpec(prompt="calm piano", lyrics="la", seed=3, bpm=90),
    ItemSpec(prompt="loud rock with many guitars", lyrics="[verse]\nword after word", seed=4),
    ItemSpec(prompt="", lyrics="", seed=5, keyscale="A minor"),
)


@pytest.fixture
def request_of(tmp_path: Path) -> dict[str, GenerationRequest]:
    """One request of each task; the window of repaint and lego is the same."""
    source = an_input(tmp_path / "source", SOURCE)
    return {
        task: GenerationRequest(
            model=BASE,
            task_type=task,
            items=ITEMS,
            duration=1.31,
            steps=3,
            source=None if task == "text2music" else source,
            repaint_start=0.4,
            repaint_end=0.9,
            track_name="drums",
            track_classes=("drums", "bass"),
            scratch_dir=str(tmp_path),
        )
        for task in TASKS
    }


def a_plan(request: GenerationRequest) -> Plan:
    return make_plan(request, registry.find(BASE), source=a_clip_of(SOURCE))


@pytest.mark.parametrize("task", TASKS)
def test_t1_t2_every_task_makes_clips_of_its_length_and_repeats(
    engine: Engine, request_of: dict[str, GenerationRequest], task: str
) -> None:
    computed = compute(engine, request_of[task])
    again = compute(engine, request_of[task])
    # Without a source the length is whole latent frames, with one it is the source's.
    samples = 33 * 1920 if task == "text2music" else SOURCE.shape[1]
    assert [wave.samples.shape for wave in computed.waves] == [(2, samples)] * 3
    assert {wave.samples.dtype for wave in computed.waves} == {np.dtype(np.float32)}
    for wave, expected in zip(again.waves, computed.waves, strict=True):
        assert np.isfinite(wave.samples).all()
        assert np.array_equal(wave.samples, expected.samples)
    assert computed.effective["task_type"] == task


def test_the_tasks_differ_from_each_other(engine: Engine, request_of: dict[str, GenerationRequest]) -> None:
    made = {task: compute(engine, replace(request, items=ITEMS[:1])) for task, request in request_of.items()}
    clips = {computed.waves[0].samples.tobytes() for computed in made.values()}
    assert len(clips) == len(TASKS)


@pytest.mark.parametrize(("task", "change"), [("lego", "window"), ("lego", "track"), ("complete", "classes")])
def test_window_and_tracks_reach_the_model(
    engine: Engine, request_of: dict[str, GenerationRequest], task: str, change: str
) -> None:
    request = replace(request_of[task], items=ITEMS[:1])
    other = {
        "window": replace(request, repaint_start=0.0, repaint_end=None),
        "track": replace(request, track_name="bass"),
        "classes": replace(request, track_classes=("bass",)),
    }[change]
    (made,), (changed,) = compute(engine, request).waves, compute(engine, other).waves
    assert difference_db(torch.from_numpy(changed.samples), torch.from_numpy(made.samples)) > -100.0


@pytest.mark.parametrize("task", TASKS)
def test_t3_a_batch_that_runs_in_parts_makes_the_same_clips(
    base: MusicPipeline, request_of: dict[str, GenerationRequest], task: str
) -> None:
    plan = a_plan(request_of[task])
    together, first, rest = (
        run_batch(
            items,
            pipeline=base,
            placement=Placement(device=torch.device("cpu"), dtype=torch.float32),
            plan=plan,
            on_progress=lambda stage, done, total: None,
            should_cancel=lambda: False,
        )
        for items in (plan.items, plan.items[:1], plan.items[1:])
    )
    for wave, alone in zip(together.waves, (*first.waves, *rest.waves), strict=True):
        assert wave.seed == alone.seed
        assert difference_db(torch.from_numpy(wave.samples), torch.from_numpy(alone.samples)) <= -100.0
    shapes = [batch.shapes[0] for batch in (together, first, rest)]
    assert [shape["items"] for shape in shapes] == [3, 1, 2]
    assert [shape["rows"] for shape in shapes] == [6, 2, 4]
    assert {shape["latent_frames"] for shape in shapes} == {33}


def test_a_lego_is_left_as_the_model_made_it(
    engine: Engine, request_of: dict[str, GenerationRequest]
) -> None:
    (wave, *_) = compute(engine, request_of["lego"]).waves
    kept = torch.from_numpy(wave.samples[:, :9_600])
    assert difference_db(kept / kept.abs().max(), torch.from_numpy(SOURCE[:, :9_600])) > -20.0


def test_t13_an_installation_can_leave_the_whole_repaint_to_the_model(
    models_dir: Path, request_of: dict[str, GenerationRequest]
) -> None:
    options = EngineOptions(models=(BASE,), models_dir=str(models_dir), device="cpu", keep_source=False)
    request = replace(request_of["repaint"], items=ITEMS[:1])
    computed = compute(make_engine("", options), request)
    assert computed.effective["keep_source"] is False
    kept = torch.from_numpy(computed.waves[0].samples[:, :9_600])
    assert difference_db(kept / kept.abs().max(), torch.from_numpy(SOURCE[:, :9_600])) > -20.0


@pytest.mark.parametrize("task", TASKS[1:])
def test_t15_a_missing_source_is_refused(
    engine: Engine, request_of: dict[str, GenerationRequest], task: str
) -> None:
    with pytest.raises(InvalidRequest, match=f"{task} needs a source"):
        compute(engine, replace(request_of[task], source=None))


@pytest.mark.parametrize("interval", [(0.6, 0.4), (-0.1, 1.0), (0.0, 1.1)])
def test_t15_a_bad_interval_is_refused(
    engine: Engine, request_of: dict[str, GenerationRequest], interval: tuple[float, float]
) -> None:
    with pytest.raises(InvalidRequest, match="cfg_interval"):
        compute(engine, replace(request_of["cover"], cfg_interval=interval))


def test_an_sft_model_runs_as_the_base_model_does(
    models_dir: Path, request_of: dict[str, GenerationRequest]
) -> None:
    spec = replace(registry.find("acestep-v15-sft"), name="tiny-sft", repo=None)
    options = EngineOptions(models=(spec.name,), models_dir=str(models_dir), device="cpu")
    sft = DiffusionEngine(options, locate=lambda name: (spec, models_dir / BASE))
    request = replace(
        request_of["text2music"], model=spec.name, items=ITEMS[:1], guidance_scale=3.0, shift=2.0
    )
    computed = compute(sft, request)
    used = {name: computed.effective[name] for name in ("guidance_scale", "shift", "steps")}
    assert used == {"guidance_scale": 3.0, "shift": 2.0, "steps": 3}
    assert computed.audit["batches"][0]["rows"] == 2
    with pytest.raises(InvalidRequest, match="task_type"):
        compute(sft, replace(request_of["lego"], model=spec.name))
