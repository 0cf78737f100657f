"""L18: the pairs of the vLLM backend, without vLLM."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from inference.language_model.backend import LMRequest, Sampling
from inference.language_model.pairing import Pairing, group_argument
from inference.language_model.sampling import Draw, combine
from inference.language_model.vocabulary import Vocabulary

pytestmark = pytest.mark.inference

VOCABULARY = Vocabulary(
    size=40, known=38, think=1, end_of_think=2, end_of_turn=3, pad=4, first_code=10, audio_tokens=20
)
GUIDED = LMRequest(
    prompt="p", negative="n", seed=7, n_codes=5, sampling=Sampling(cfg_scale=2.5, repetition_penalty=1.3)
)


def member(group: str, request: LMRequest = GUIDED, *, is_negative: bool = False) -> dict[str, Any]:
    return group_argument(group, request, VOCABULARY, is_negative=is_negative)


def logits(rows: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, 40, generator=torch.Generator().manual_seed(seed))


def only(row: Tensor) -> int:
    """The one token that is left in a row."""
    (token,) = torch.isfinite(row).nonzero().flatten().tolist()
    return int(token)


def test_both_halves_get_the_token_that_the_pt_backend_would_take() -> None:
    pairing = Pairing()
    assert pairing.add(3, member("a"))
    assert pairing.add(0, member("a", is_negative=True))
    draw, history = Draw(GUIDED.sampling, [7]), torch.zeros((1, 0), dtype=torch.int64)
    for step in range(5):
        raw = logits(2, step)
        left = pairing.apply(raw.clone(), [0, 3])
        column = draw(combine(raw[1:], raw[:1], 2.5)[:, 10:30].clone(), history)
        history = torch.cat([history, column.unsqueeze(1)], dim=1)
        assert only(left[0]) == only(left[1]) == 10 + int(column)


def test_rows_change_places_between_steps() -> None:
    def tokens(orders: list[list[int]]) -> list[int]:
        pairing = Pairing()
        pairing.add(0, member("a"))
        pairing.add(1, member("a", is_negative=True))
        taken = []
        for step, order in enumerate(orders):
            left = pairing.apply(logits(2, step)[order], order)
            taken.append(only(left[0]))
        return taken

    assert tokens([[0, 1], [0, 1], [0, 1]]) == tokens([[1, 0], [0, 1], [1, 0]])


def test_foreign_rows_are_untouched_and_pairs_do_not_meet() -> None:
    pairing = Pairing()
    assert not pairing.add(9, None)
    assert not pairing.add(8, {"other": 1})
    for slot, (group, is_negative) in enumerate([("a", False), ("b", True), ("a", True), ("b", False)]):
        pairing.add(slot, member(group, replace(GUIDED, seed=ord(group)), is_negative=is_negative))
    raw = logits(6)
    left = pairing.apply(raw.clone(), [9, 0, 1, 2, 3, 8])
    assert torch.equal(left[[0, 5]], raw[[0, 5]])
    assert (only(left[1]), only(left[2])) == (only(left[3]), only(left[4]))


def test_a_split_pair_raises() -> None:
    pairing = Pairing()
    pairing.add(0, member("a"))
    pairing.add(1, member("a", is_negative=True))
    with pytest.raises(RuntimeError, match="different steps"):
        pairing.apply(logits(1), [0])


def test_a_row_without_guidance_is_drawn_alone_and_keeps_the_grammars_mask() -> None:
    pairing = Pairing()
    pairing.add(5, member("a", replace(GUIDED, negative=None, n_codes=None)))
    raw = logits(1)
    raw[:, :37] = -torch.inf
    assert only(pairing.apply(raw, [5])[0]) >= 37


def test_a_slot_is_used_again() -> None:
    pairing = Pairing()
    pairing.add(0, member("a"))
    pairing.add(1, member("a", is_negative=True))
    first = only(pairing.apply(logits(2), [0, 1])[0])
    pairing.add(0, member("b"))
    pairing.add(1, member("b", is_negative=True))
    assert only(pairing.apply(logits(2), [0, 1])[0]) == first
    pairing.add(0, None)
    pairing.add(1, None)
    assert not pairing._groups
    raw = logits(2)
    assert torch.equal(pairing.apply(raw.clone(), [0, 1]), raw)
