"""The vLLM backend's parts that need no vLLM: options, grammars, and who serves a request."""

from collections.abc import Sequence
from pathlib import Path

import llguidance.hf
import numpy as np
import pytest
import torch
from llguidance import LLMatcher, LLTokenizer

from inference.language_model import vllm
from inference.language_model.backend import LMRequest, Sampling
from inference.language_model.block import FIELDS
from inference.language_model.grammar import block_grammar
from inference.language_model.model import LanguageModel
from inference.language_model.tokens import Tokens

pytestmark = pytest.mark.inference

SAMPLING = Sampling(temperature=0.7, top_k=20, top_p=0.8, cfg_scale=2.0)
CODES = LMRequest(prompt="p", seed=5, n_codes=50, sampling=SAMPLING)


@pytest.fixture(scope="module", params=["ours", "theirs"])
def table(request: pytest.FixtureRequest, tokens: Tokens) -> LLTokenizer:
    """Our token table, and the one that vLLM makes itself."""
    if request.param == "ours":
        return tokens.table
    return llguidance.hf.from_tokenizer(tokens.tokenizer, tokens.vocabulary.size)


def walk(table: LLTokenizer, grammar: str, *, prefer: Sequence[int] = (), limit: int = 700) -> list[int]:
    """Take random allowed tokens to the end of a grammar, from step 100 on preferred ones."""
    random = np.random.default_rng(1)
    matcher = LLMatcher(table, grammar)
    taken: list[int] = []
    while not matcher.is_stopped() and len(taken) < limit:
        bits = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
        allowed = np.flatnonzero(np.unpackbits(bits, bitorder="little"))
        wanted = np.intersect1d(allowed, prefer) if len(taken) >= 100 else ()
        taken.append(int(random.choice(wanted if len(wanted) else allowed)))
        assert matcher.consume_token(taken[-1]), matcher.get_error()
    return taken


def test_codes_are_a_grammar_of_exactly_so_many(table: LLTokenizer, tokens: Tokens) -> None:
    first = tokens.vocabulary.first_code
    taken = walk(table, vllm.codes_grammar(50, tokens.vocabulary))
    assert len(taken) == 50
    assert all(first <= token < first + tokens.vocabulary.codes for token in taken)


def test_text_is_a_grammar_without_codes_up_to_a_stop(table: LLTokenizer, tokens: Tokens) -> None:
    vocabulary = tokens.vocabulary
    stop = vocabulary.end_of_turn
    taken = walk(table, vllm.text_grammar([stop], vocabulary), prefer=[stop])
    assert taken.index(stop) == len(taken) - 1
    assert not any(token >= vocabulary.first_code for token in taken)


def test_a_block_holds_no_marks_and_no_codes_in_vllms_reading_too(table: LLTokenizer, tokens: Tokens) -> None:
    vocabulary = tokens.vocabulary
    taken = walk(table, block_grammar(FIELDS, {"bpm": 90}, vocabulary, free_max_tokens=60))
    added = set(tokens.tokenizer.added_tokens_decoder)
    assert (taken[0], taken[-1]) == (vocabulary.think, vocabulary.end_of_think)
    assert not added & set(taken[1:-1])


def test_vllm_draws_with_its_own_names(tokens: Tokens) -> None:
    options = vllm.sampling_options(CODES, tokens.vocabulary, pairing=False)
    assert options == {
        "temperature": 0.7,
        "top_k": 20,
        "top_p": 0.8,
        "seed": 5,
        "grammar": vllm.codes_grammar(50, tokens.vocabulary),
        "max_tokens": 50,
        "stop_token_ids": [],
        "ignore_eos": True,
        "detokenize": False,
    }


def test_with_pairing_nothing_is_left_for_vllm_to_draw(tokens: Tokens) -> None:
    options = vllm.sampling_options(CODES, tokens.vocabulary, pairing=True)
    assert options["temperature"] == 0.0
    assert options["grammar"] is None
    assert not {"top_k", "top_p", "seed"} & options.keys()


def test_every_row_fits_into_the_cache(model_folder: Path) -> None:
    options = vllm.engine_options(model_folder)
    # Two layers of two heads of eight numbers, keys and values, two bytes each, for 16 rows of 5120 tokens.
    assert options["kv_cache_memory_bytes"] == 16 * 5120 * 2 * 2 * 2 * 8 * 2
    assert options["max_num_batched_tokens"] == options["max_num_seqs"] * options["max_model_len"]
    assert options["structured_outputs_config"] == {"backend": "guidance"}


@pytest.mark.parametrize(("last", "finish"), [("</think>", "stop"), ("x", "length")])
def test_an_answer_tells_how_it_ended(tokens: Tokens, last: str, finish: str) -> None:
    ids = tokens.encode(f"<think>\nbpm: 9\n{last}")
    stops = (tokens.vocabulary.end_of_think,)
    request = LMRequest(prompt="p", seed=1, max_tokens=99, stop_token_ids=stops, sampling=SAMPLING)
    output = vllm.read_answer(request, ids, tokens)
    assert (output.text, output.finish) == (f"<think>\nbpm: 9\n{last}", finish)


def test_without_vllm_the_reason_is_told(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = LanguageModel(model_folder, device=torch.device("cpu"))
    asked = model.pick("vllm", CODES.needs)
    assert asked[0] is model.pick("pt", CODES.needs)[0]
    monkeypatch.setattr("inference.language_model.model.find_spec", lambda name: None)
    assert model.pick("vllm", CODES.needs)[1] == "vllm is not installed"
    monkeypatch.setattr("inference.language_model.model.find_spec", lambda name: object())
    assert model.pick("vllm", CODES.needs)[1] == "vllm does not run on cpu"
    monkeypatch.setattr("inference.language_model.model.why_not_vllm", lambda device: "")
    assert model.pick("vllm", frozenset({"cfg", "seed", "penalty"}))[1] == "vllm does no cfg, penalty yet"
    model.close()
