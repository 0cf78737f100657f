from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from inference.audio.wave import AudioClip
from inference.diffusion.plan import Plan, make_plan
from inference.errors import InvalidRequest
from inference.models import registry
from inference.request import GenerationRequest, ItemSpec
from tests.audio import a_clip_of, a_tone

TURBO = registry.find("acestep-tiny-random")
BASE = registry.find("acestep-v15-base")
ITEM = ItemSpec(prompt="calm piano", lyrics="", seed=7)
SOURCE = a_clip_of(a_tone(2.0))
COVER_INSTRUCTION = "Generate audio semantic tokens based on the given conditions:"
REQUEST = GenerationRequest(model=TURBO.name, items=(ITEM,), duration=10.0, scratch_dir="/scratch")


def test_turbo_ignores_guidance_and_shift_and_records_what_was_used() -> None:
    plan = make_plan(replace(REQUEST, steps=50, guidance_scale=7.0, shift=1.5, use_adg=True), TURBO)
    assert (plan.sampling.steps, plan.sampling.guidance_scale, plan.sampling.shift) == (20, 1.0, 3.0)
    used = {name: plan.effective[name] for name in ("steps", "guidance_scale", "shift", "use_adg", "seeds")}
    assert used == {"steps": 20, "guidance_scale": 1.0, "shift": 3.0, "use_adg": False, "seeds": [7]}


def test_base_keeps_guidance_and_limits_steps_and_shift() -> None:
    plan = make_plan(replace(REQUEST, steps=500, guidance_scale=4.5, shift=9.0), BASE)
    assert (plan.sampling.steps, plan.sampling.guidance_scale, plan.sampling.shift) == (200, 4.5, 5.0)


def test_record_holds_no_path_and_no_text() -> None:
    effective = make_plan(REQUEST, TURBO).effective
    assert not {"scratch_dir", "items", "source", "reference"} & set(effective)


def test_trailing_zeros_of_timesteps_are_dropped() -> None:
    plan = make_plan(replace(REQUEST, timesteps=(1.0, 0.5, 0.25, 0.0), steps=8), TURBO)
    assert (plan.sampling.timesteps, plan.sampling.steps) == ((1.0, 0.5, 0.25), 3)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("items", {"items": ()}),
        ("items", {"items": (ITEM,) * 9}),
        ("task_type", {"task_type": "lego"}),
        ("task_type", {"task_type": "dance"}),
        ("source", {"task_type": "cover"}),
        ("source", {"task_type": "repaint"}),
        ("audio_codes", {"items": (replace(ITEM, audio_codes=(1, 2)), ITEM)}),
        ("audio_codes", {"items": (replace(ITEM, audio_codes=(1, 2)), replace(ITEM, audio_codes=(1,)))}),
        ("audio_codes", {"items": (replace(ITEM, audio_codes=()),)}),
        ("audio_codes", {"items": (replace(ITEM, audio_codes=(64_000,)),)}),
        ("audio_codes", {"items": (replace(ITEM, audio_codes=(-1,)),)}),
        ("audio_codes", {"items": (replace(ITEM, audio_codes=(1,) * 3001),)}),
        ("audio_codes", {"items": (replace(ITEM, audio_codes=(1,)),), "task_type": "repaint"}),
        ("duration", {"duration": None}),
        ("duration", {"duration": 0.0}),
        ("duration", {"duration": 600.5}),
        ("duration", {"duration": float("nan")}),
        ("infer_method", {"infer_method": "heun"}),
        ("cfg_interval", {"cfg_interval": (0.8, 0.2)}),
        ("cfg_interval", {"cfg_interval": (0.0, 1.1)}),
        ("timesteps", {"timesteps": (0.0,)}),
        ("timesteps", {"timesteps": (0.5, 0.5)}),
        ("timesteps", {"timesteps": (1.2, 0.5)}),
        ("timesteps", {"timesteps": (0.5, -0.1)}),
        ("timesteps", {"timesteps": tuple(1.0 - index / 300 for index in range(201))}),
    ],
)
def test_what_the_model_cannot_do_is_refused_with_the_field(field: str, change: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        make_plan(replace(REQUEST, **change), TURBO)
    assert refused.value.field == field


@pytest.mark.parametrize("scale", [-1.0, float("nan"), float("inf")])
def test_a_guidance_that_is_no_scale_is_refused(scale: float) -> None:
    with pytest.raises(InvalidRequest, match="guidance_scale"):
        make_plan(replace(REQUEST, guidance_scale=scale), BASE)


@pytest.mark.parametrize(("scale", "used"), [(7.0, True), (1.0, False)])
def test_angle_guidance_needs_a_base_model_and_a_scale(scale: float, used: bool) -> None:
    plan = make_plan(replace(REQUEST, use_adg=True, guidance_scale=scale, cfg_interval=(0.1, 0.9)), BASE)
    assert plan.sampling.angle_guidance == plan.effective["use_adg"] == used
    assert plan.effective["cfg_interval"] == ((0.1, 0.9) if used else None)


def test_codes_give_the_length_and_make_a_source_useless() -> None:
    items = (replace(ITEM, audio_codes=(0, 63_999) * 25),) * 2
    cover = replace(REQUEST, task_type="cover", items=items, duration=30.0, cover_strength=0.5)
    for request in (cover, replace(cover, task_type="text2music")):
        plan = make_plan(request, TURBO, source=SOURCE)
        assert (plan.duration_s, plan.effective["audio_codes"], plan.conditioning.source) == (10.0, 50, None)
        assert plan.conditioning.cover_strength == 0.5
        assert plan.effective["instructions"] == [COVER_INSTRUCTION] * 2


def test_own_timesteps_leave_no_shift_in_the_record() -> None:
    effective = make_plan(replace(REQUEST, timesteps=(1.0, 0.5), shift=2.0), BASE).effective
    assert (effective["steps"], effective["timesteps"], effective["shift"]) == (2, (1.0, 0.5), None)


@pytest.mark.parametrize("task_type", ["lego", "extract", "complete"])
def test_a_model_that_is_no_base_model_cannot_add_or_take_tracks(task_type: str) -> None:
    for name in ("acestep-v15-turbo", "acestep-v15-sft"):
        with pytest.raises(InvalidRequest, match="task_type"):
            make_plan(replace(REQUEST, task_type=task_type), registry.find(name), source=SOURCE)


def test_an_sft_model_is_guided_and_takes_the_shift_of_the_request() -> None:
    plan = make_plan(replace(REQUEST, steps=50, shift=2.0), registry.find("acestep-v15-sft"))
    assert (plan.sampling.steps, plan.sampling.guidance_scale, plan.sampling.shift) == (50, 7.0, 2.0)


def repaint(start_s: float, end_s: float | None, task_type: str = "repaint", **options: bool) -> Plan:
    request = replace(REQUEST, task_type=task_type, repaint_start=start_s, repaint_end=end_s)
    return make_plan(request, BASE, source=SOURCE, **options)


@pytest.mark.parametrize("end_s", [None, 0.0, -1.0, 2.0, 99.0])
def test_no_end_and_one_behind_the_source_are_its_end(end_s: float | None) -> None:
    plan = repaint(0.5, end_s)
    assert plan.conditioning.window == (0.5, 2.0)
    assert (plan.effective["repaint_start"], plan.effective["repaint_end"]) == (0.5, 2.0)
    assert (plan.duration_s, plan.effective["duration"]) == (2.0, 2.0)


def test_a_negative_start_adds_time_before_the_source() -> None:
    plan = repaint(-1.0, 0.5)
    assert plan.conditioning.source is not None
    padded = plan.conditioning.source.samples
    assert (plan.conditioning.window, plan.duration_s) == ((0.0, 1.5), 3.0)
    assert not padded[:, :48_000].any()
    assert np.array_equal(padded[:, 48_000:], SOURCE.samples)


def test_only_a_repaint_keeps_the_source_and_only_if_the_installation_wants_it() -> None:
    kept = [repaint(0.5, 1.0), repaint(0.5, 1.0, "lego"), repaint(0.5, 1.0, keep_source=False)]
    assert [plan.conditioning.window for plan in kept] == [(0.5, 1.0)] * 3
    assert [plan.effective["keep_source"] for plan in kept] == [True, False, False]


@pytest.mark.parametrize("task_type", ["extract", "complete", "cover"])
def test_other_tasks_have_no_window(task_type: str) -> None:
    plan = repaint(0.5, 1.0, task_type)
    assert (plan.conditioning.window, plan.effective["repaint_start"]) == (None, None)
    assert plan.duration_s == 2.0


@pytest.mark.parametrize(("start_s", "end_s"), [(2.0, None), (1.0, 1.0), (1.5, 1.0), (float("nan"), None)])
def test_an_empty_window_is_refused(start_s: float, end_s: float | None) -> None:
    with pytest.raises(InvalidRequest, match="repaint_start"):
        repaint(start_s, end_s)


def test_a_source_of_more_than_600_seconds_is_refused() -> None:
    long = AudioClip(samples=np.zeros((2, 601 * 48_000), dtype=np.float32), sha256="00")
    with pytest.raises(InvalidRequest, match="source"):
        make_plan(replace(REQUEST, task_type="cover"), TURBO, source=long)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_a_cover_strength_outside_its_range_is_refused(strength: float) -> None:
    with pytest.raises(InvalidRequest, match="cover_strength"):
        make_plan(replace(REQUEST, task_type="cover", cover_strength=strength), TURBO, source=SOURCE)


def test_the_record_names_the_audio_that_was_used() -> None:
    reference = a_clip_of(a_tone(1.0))
    cover = replace(REQUEST, task_type="cover", cover_strength=0.5)
    used = make_plan(cover, TURBO, source=SOURCE, reference=reference).effective
    assert (used["source_sha256"], used["reference_sha256"]) == (SOURCE.sha256, reference.sha256)
    assert (used["cover_strength"], used["repaint_start"]) == (0.5, None)
    unused = make_plan(REQUEST, TURBO, source=SOURCE).effective
    assert (unused["source_sha256"], unused["duration"], unused["cover_strength"]) == (None, 10.0, None)
