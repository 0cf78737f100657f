"""L8: each step of a draw, computed by hand on a small vector."""

import math
from collections import Counter

import pytest
import torch
from torch import Tensor

from inference.language_model.backend import Sampling
from inference.language_model.sampling import Draw, combine

pytestmark = pytest.mark.inference

LOGITS = torch.tensor([[math.log(0.5), math.log(0.3), math.log(0.15), math.log(0.05)]])
NOTHING = torch.zeros((1, 0), dtype=torch.int64)
DRAWS = 400


def shares(sampling: Sampling, history: Tensor = NOTHING, logits: Tensor = LOGITS) -> list[float]:
    """How often each column is drawn by 400 seeds."""
    rows = logits.expand(DRAWS, -1).clone()
    drawn = Draw(sampling, range(DRAWS))(rows, history.expand(DRAWS, -1))
    counts = Counter(drawn.tolist())
    return [counts[column] / DRAWS for column in range(logits.shape[1])]


def close(measured: list[float], expected: list[float]) -> bool:
    """Within four standard deviations of the draw, and exactly 0 where 0 is expected."""
    return all(
        got == 0 if want == 0 else abs(got - want) <= 4 * math.sqrt(want * (1 - want) / DRAWS)
        for got, want in zip(measured, expected, strict=True)
    )


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(temperature=1.0), [0.5, 0.3, 0.15, 0.05]),
        (Sampling(temperature=0.5), [0.25 / 0.365, 0.09 / 0.365, 0.0225 / 0.365, 0.0025 / 0.365]),
        (Sampling(temperature=0.0), [1.0, 0.0, 0.0, 0.0]),
        (Sampling(temperature=-1.0), [1.0, 0.0, 0.0, 0.0]),
        (Sampling(temperature=1.0, top_k=2), [0.625, 0.375, 0.0, 0.0]),
        (Sampling(temperature=1.0, top_p=0.7), [0.625, 0.375, 0.0, 0.0]),
        (Sampling(temperature=1.0, top_p=1.0), [0.5, 0.3, 0.15, 0.05]),
        # At this temperature the first column alone holds 0.68: top-p counts behind the temperature.
        (Sampling(temperature=0.5, top_p=0.6), [1.0, 0.0, 0.0, 0.0]),
        (Sampling(temperature=1.0, top_p=0.6), [0.625, 0.375, 0.0, 0.0]),
    ],
)
def test_shares(sampling: Sampling, expected: list[float]) -> None:
    assert close(shares(sampling), expected)


def test_the_penalty_divides_positive_and_multiplies_negative_logits_of_drawn_columns() -> None:
    logits = torch.tensor([[2.0, 1.5, -1.0]])
    history = torch.tensor([[0, 2]])
    penalised = torch.tensor([2.0 / 2, 1.5, -1.0 * 2]).softmax(dim=0).tolist()
    assert close(shares(Sampling(temperature=1.0, repetition_penalty=2.0), history, logits), penalised)
    greedy = Draw(Sampling(temperature=0.0, repetition_penalty=2.0), [0])
    assert greedy(logits.clone(), history).tolist() == [1]


def test_only_the_rows_own_seed_counts() -> None:
    sampling = Sampling(temperature=1.0)
    wide = torch.zeros(3, 1000)
    empty = torch.zeros((3, 0), dtype=torch.int64)
    together = Draw(sampling, [5, 6, 5])(wide.clone(), empty).tolist()
    assert together[0] == together[2] != together[1]
    assert Draw(sampling, [6])(wide[:1].clone(), empty[:1]).tolist() == together[1:2]
    torch.manual_seed(0)
    untouched = torch.get_rng_state()
    Draw(sampling, [1])(wide[:1].clone(), empty[:1])
    assert torch.equal(torch.get_rng_state(), untouched)


def test_a_row_with_one_allowed_column_takes_it_always() -> None:
    only = torch.full((DRAWS, 50), -torch.inf)
    only[:, 17] = -3.0
    drawn = Draw(Sampling(), range(DRAWS))(only, torch.zeros((DRAWS, 0), dtype=torch.int64))
    assert set(drawn.tolist()) == {17}


def test_guidance_is_never_nan() -> None:
    inf = torch.inf
    cond = torch.tensor([[1.0, -inf, -inf, 2.0]])
    uncond = torch.tensor([[0.5, 1.0, -inf, 3.0]])
    assert combine(cond, uncond, 2.0).tolist() == [[1.5, -inf, -inf, 1.0]]
    assert combine(cond, uncond, 1.0).tolist() == cond.tolist()
