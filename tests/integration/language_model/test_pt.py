"""L6, L7 and L13: the pt backend against transformers itself, and what its one processor does."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
import torch
from transformers import GenerationConfig

from inference.errors import OutOfMemory
from inference.language_model import prompts
from inference.language_model.backend import LMRequest, Sampling
from inference.language_model.block import FIELDS
from inference.language_model.choose import ChooseTokens
from inference.language_model.grammar import block_grammar
from inference.language_model.pt import PtBackend

pytestmark = pytest.mark.inference

PROMPT = prompts.for_codes("pop", "la", {"bpm": 90})
NEGATIVE = prompts.for_codes_negative("pop", "", "la")


@pytest.fixture
def rows_seen(pt: PtBackend) -> Iterator[list[int]]:
    """Row counts of every forward pass."""
    seen: list[int] = []
    hook = pt._network.model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    yield seen
    hook.remove()


def generate(pt: PtBackend, *requests: LMRequest) -> list[Any]:
    return pt.generate(requests, lambda made, wanted: None, lambda: False)


def guided(seed: int, sampling: Sampling, n: int = 50) -> LMRequest:
    return LMRequest(prompt=PROMPT, negative=NEGATIVE, seed=seed, n_codes=n, sampling=sampling)


def test_greedy_guidance_equals_that_of_transformers(pt: PtBackend) -> None:
    (ours,) = generate(pt, guided(0, Sampling(temperature=0.0, cfg_scale=2.5)))
    encode = pt._tokens.tokenizer
    first, last = (
        pt._tokens.vocabulary.first_code,
        pt._tokens.vocabulary.first_code + pt._tokens.vocabulary.codes,
    )
    theirs = pt._network.generate(
        **encode(PROMPT, return_tensors="pt", add_special_tokens=False),
        negative_prompt_ids=encode(NEGATIVE, return_tensors="pt", add_special_tokens=False)["input_ids"],
        prefix_allowed_tokens_fn=lambda row, ids: list(range(first, last)),
        generation_config=GenerationConfig(
            guidance_scale=2.5, max_new_tokens=50, do_sample=False, pad_token_id=pt._tokens.vocabulary.pad
        ),
    )
    assert tuple(theirs[0, -50:].tolist()) == ours.token_ids


def test_guidance_doubles_the_rows_and_scale_one_does_not(pt: PtBackend, rows_seen: list[int]) -> None:
    generate(pt, *(guided(seed, Sampling(cfg_scale=1.0), n=3) for seed in range(2)))
    assert set(rows_seen) == {2}
    rows_seen.clear()
    generate(pt, *(guided(seed, Sampling(cfg_scale=1.5), n=3) for seed in range(2)))
    assert set(rows_seen) == {4}


def test_nine_rows_go_in_two_batches(pt: PtBackend, rows_seen: list[int]) -> None:
    outputs = generate(pt, *(guided(seed, Sampling(), n=2) for seed in range(9)))
    assert rows_seen == [16, 16, 2, 2] or rows_seen == [8, 8, 1, 1]
    assert len({output.codes for output in outputs}) == 9


def test_too_little_memory_means_half_the_rows(pt: PtBackend, rows_seen: list[int]) -> None:
    rows = [guided(seed, Sampling(), n=2) for seed in range(4)]
    whole = generate(pt, *rows)
    run = pt._network.generate
    rows_seen.clear()

    def small(**asked: Any) -> Any:
        if len(asked["input_ids"]) > 2:
            raise torch.OutOfMemoryError
        return run(**asked)

    with patch.object(pt._network, "generate", small):
        assert generate(pt, *rows) == whole
        assert rows_seen == [2, 2, 2, 2]
        with pytest.raises(OutOfMemory):
            generate(pt, *(guided(seed, Sampling(cfg_scale=2.0), n=2) for seed in range(4)))


def test_a_text_that_is_all_for_audio_codes_gets_none(pt: PtBackend) -> None:
    vocabulary = pt._tokens.vocabulary
    stops = (vocabulary.end_of_turn,)
    grammar = block_grammar(FIELDS, {}, vocabulary, free_max_tokens=20)
    codes = set(range(vocabulary.first_code, vocabulary.first_code + vocabulary.audio_tokens))
    for each in (None, grammar):
        request = LMRequest(
            prompt="", seed=1, grammar=each, max_tokens=200, stop_token_ids=stops, sampling=Sampling(top_k=5)
        )
        choose = ChooseTokens(
            [request],
            vocabulary,
            pt._tokens.table,
            on_tokens=lambda made, wanted: None,
            should_cancel=lambda: False,
        )
        ids = torch.zeros((1, 0), dtype=torch.int64)
        for _ in range(60):
            scores = torch.randn(1, vocabulary.size, generator=torch.Generator().manual_seed(ids.shape[1]))
            scores[:, min(codes) :] += 1e6
            token = choose(ids, scores).argmax(dim=-1, keepdim=True)
            ids = torch.cat([ids, token], dim=1)
        assert not codes & set(ids[0].tolist())
        assert max(ids[0].tolist()) < vocabulary.known
