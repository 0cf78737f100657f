"""The mathematics of angle-based guidance."""

import math

import pytest
import torch

from inference.diffusion.guidance import AngleGuidance, guide

TIME = torch.full((1, 1, 1), 0.5)
LATENTS = torch.zeros(1, 1, 2)


def velocity(angle: float, length: float = 1.0) -> torch.Tensor:
    """The velocity whose clean latents, from LATENTS at TIME, point at that angle."""
    return torch.tensor([[[math.cos(angle), math.sin(angle)]]]) * -2.0 * length


def clean_angle(guided: torch.Tensor) -> float:
    x, y = (LATENTS - TIME * guided).flatten().tolist()
    return math.atan2(y, x)


@pytest.mark.parametrize(
    ("angle", "scale", "turned"),
    [(0.1, 3.0, 2.001 * 0.1), (0.1, 30.0, math.pi / 6), (0.1, 1.0, 0.0001), (0.1, 0.5, 0.0001)],
    ids=["by the weight", "at most 30 degrees", "scale 1", "below 1"],
)
def test_the_condition_is_turned_away_from_the_null(angle: float, scale: float, turned: float) -> None:
    guided = guide(velocity(angle), velocity(0.0), latents=LATENTS, time=TIME, scale=scale)
    # The turn adds sin(turned) across the null: exact at a right angle, a little less at this one.
    expected = math.atan2(
        math.cos(turned) * math.sin(angle) + math.sin(turned), math.cos(turned) * math.cos(angle)
    )
    assert clean_angle(guided) == pytest.approx(expected, abs=1e-5)


def test_equal_and_opposite_predictions_stay_finite() -> None:
    for other in (velocity(0.3), -velocity(0.3), torch.zeros(1, 1, 2)):
        guided = guide(velocity(0.3), other, latents=LATENTS, time=TIME, scale=7.0)
        assert bool(torch.isfinite(guided).all())


@pytest.mark.parametrize("items", [1, 2, 4])
def test_only_pairs_are_guided(items: int) -> None:
    hook = AngleGuidance(items=items, scale=7.0)
    pair = torch.randn(2 * items, 5, 8, generator=torch.Generator().manual_seed(1))
    given = {"hidden_states": torch.zeros_like(pair), "timestep": torch.full((2 * items,), 0.5)}
    changed = hook(None, (), given, (pair,))
    assert changed is not None
    assert torch.equal(changed[0][:items], changed[0][items:])
    assert not torch.equal(changed[0][:items], pair[:items])
    single = {name: value[:items] for name, value in given.items()}
    assert hook(None, (), single, (pair[:items],)) is None


def test_the_type_of_the_model_is_kept() -> None:
    pair = torch.ones(2, 3, 4, dtype=torch.bfloat16)
    pair[1] = 0.5
    given = {"hidden_states": torch.zeros_like(pair), "timestep": torch.ones(2, dtype=torch.bfloat16)}
    changed = AngleGuidance(items=1, scale=3.0)(None, (), given, (pair,))
    assert changed is not None
    assert changed[0].dtype == torch.bfloat16
