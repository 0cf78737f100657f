from dataclasses import replace
from typing import Any

import pytest

from inference.diffusion.plan import make_plan
from inference.errors import InvalidRequest
from inference.models import registry
from inference.request import GenerationRequest, InputAudio, ItemSpec

TURBO = registry.find("acestep-tiny-random")
BASE = registry.find("acestep-v15-base")
ITEM = ItemSpec(prompt="calm piano", lyrics="", seed=7)
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
        ("source", {"source": InputAudio(path="x.wav", sha256="00")}),
        ("audio_codes", {"items": (replace(ITEM, audio_codes=(1, 2)),)}),
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


def test_base_refuses_angle_guidance_that_it_would_not_do() -> None:
    with pytest.raises(InvalidRequest, match="use_adg"):
        make_plan(replace(REQUEST, use_adg=True), BASE)
