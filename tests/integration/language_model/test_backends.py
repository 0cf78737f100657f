"""The contract of a backend: L3, L4, L5, L7, L9, L19 on each one that can run here."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest
import torch

from inference.errors import Cancelled
from inference.language_model import parse, prompts
from inference.language_model.backend import LMBackend, LMOutput, LMRequest, Sampling
from inference.language_model.block import FIELDS, KEYSCALES, LANGUAGES, TIME_SIGNATURES
from inference.language_model.grammar import block_grammar
from inference.language_model.pt import PtBackend
from inference.language_model.tokens import Tokens
from inference.language_model.vllm import VllmBackend
from inference.language_model.vocabulary import Vocabulary

pytestmark = pytest.mark.inference

CAN_RUN_VLLM = find_spec("vllm") is not None and torch.cuda.is_available()
PROMPT = prompts.for_metadata("pop", "la la")
NEGATIVE = prompts.for_metadata_negative("", "la la")
PLAIN = Sampling(top_p=0.9)
GUIDED = replace(PLAIN, cfg_scale=2.5)
GREEDY = Sampling(temperature=0.0)


@pytest.fixture(
    scope="module",
    params=[
        "pt",
        pytest.param("vllm", marks=pytest.mark.skipif(not CAN_RUN_VLLM, reason="needs vLLM and CUDA")),
        pytest.param("pairing", marks=pytest.mark.skipif(not CAN_RUN_VLLM, reason="needs vLLM and CUDA")),
    ],
)
def backend(
    request: pytest.FixtureRequest, pt: PtBackend, model_folder: Path, tokens: Tokens
) -> Iterator[LMBackend]:
    if request.param == "pt":
        yield pt
        return
    loaded = VllmBackend(model_folder, tokens, pairing=request.param == "pairing")
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def vocabulary(tokens: Tokens) -> Vocabulary:
    return tokens.vocabulary


def run(backend: LMBackend, requests: Sequence[LMRequest]) -> list[LMOutput]:
    for request in requests:
        if not request.needs <= backend.capabilities:
            pytest.skip(f"{backend.name} declares no {', '.join(request.needs - backend.capabilities)}")
    return backend.generate(requests, lambda made, wanted: None, lambda: False)


def codes(seed: int, *, n: int = 50, sampling: Sampling = PLAIN, prompt: str = PROMPT) -> LMRequest:
    return LMRequest(
        prompt=prompt,
        negative=NEGATIVE if sampling.cfg_scale > 1 else None,
        seed=seed,
        n_codes=n,
        sampling=sampling,
    )


def text(
    vocabulary: Vocabulary, seed: int, grammar: str | None = None, *, max_tokens: int = 600
) -> LMRequest:
    stops = (vocabulary.end_of_think, vocabulary.end_of_turn)
    return LMRequest(
        prompt=PROMPT, seed=seed, grammar=grammar, max_tokens=max_tokens, stop_token_ids=stops, sampling=PLAIN
    )


def random_forced(random: Random) -> dict[str, int | str]:
    values: dict[str, int | str] = {
        "bpm": random.randint(30, 300),
        "duration": random.randint(10, 600),
        "keyscale": random.choice(KEYSCALES),
        "language": random.choice(LANGUAGES),
        "timesignature": random.choice(TIME_SIGNATURES),
    }
    return {name: value for name, value in values.items() if random.random() < 0.5}


def test_a_hundred_random_blocks_are_valid_and_keep_what_was_forced(
    backend: LMBackend, vocabulary: Vocabulary
) -> None:
    random = Random(3)
    forced = [random_forced(random) for _ in range(100)]
    grammars = [block_grammar(FIELDS, values, vocabulary, free_max_tokens=12) for values in forced]
    outputs = run(backend, [text(vocabulary, seed, grammar) for seed, grammar in enumerate(grammars)])
    for output, wanted in zip(outputs, forced, strict=True):
        values = parse.block(output.text).values()
        assert output.finish == "stop"
        assert tuple(values) == FIELDS
        assert {name: values[name] for name in wanted} == wanted


@pytest.mark.parametrize(("duration_s", "n"), [(10.0, 50), (33.5, 167), (600.0, 3000)])
def test_as_many_codes_as_asked_for(
    backend: LMBackend, vocabulary: Vocabulary, duration_s: float, n: int
) -> None:
    (output,) = run(backend, [codes(1, n=int(duration_s * 5))])
    assert output.codes is not None
    assert len(output.codes) == len(output.token_ids) == n
    assert all(0 <= code < vocabulary.codes for code in output.codes)
    assert (output.text, output.finish) == ("", "stop")


@pytest.mark.parametrize("sampling", [PLAIN, GUIDED])
def test_a_seed_gives_the_same_alone_and_in_a_batch(backend: LMBackend, sampling: Sampling) -> None:
    longer = prompts.for_metadata("a much longer caption than that of the others", "la")
    batch = [
        codes(7, sampling=sampling),
        codes(8, sampling=sampling),
        codes(7, sampling=sampling, prompt=longer),
    ]
    first, second, third = run(backend, batch)
    again = run(backend, batch)
    alone = run(backend, [codes(8, sampling=sampling)])
    assert [first, second, third] == again
    assert [second] == alone
    assert len({first.codes, second.codes, third.codes}) == 3


def test_rows_of_text_are_independent_too(backend: LMBackend, vocabulary: Vocabulary) -> None:
    grammar = block_grammar(FIELDS, {}, vocabulary, free_max_tokens=12)
    rows = [text(vocabulary, seed, grammar) for seed in (4, 5, 6)]
    assert run(backend, rows)[1:2] == run(backend, rows[1:2])


def test_a_mixed_call_answers_in_order(backend: LMBackend, vocabulary: Vocabulary) -> None:
    grammar = block_grammar(("bpm",), {"bpm": 77}, vocabulary)
    outputs = run(backend, [codes(1, n=3), text(vocabulary, 1, grammar), codes(2, n=4), codes(3, n=3)])
    assert [output.codes and len(output.codes) for output in outputs] == [3, None, 4, 3]
    assert outputs[1].text == "<think>\nbpm: 77\n</think>"


def test_guidance_changes_the_result_and_scale_one_does_not(backend: LMBackend) -> None:
    off = run(backend, [codes(1, sampling=replace(GUIDED, cfg_scale=1.0))])
    on = run(backend, [codes(1, sampling=GUIDED)])
    assert run(backend, [codes(1)]) == off != on


def test_rows_that_end_at_different_steps_are_whole(backend: LMBackend, vocabulary: Vocabulary) -> None:
    rows = [text(vocabulary, seed, max_tokens=400) for seed in range(6)]
    together = run(backend, rows)
    assert len({len(output.token_ids) for output in together}) > 3
    assert together == [output for row in rows for output in run(backend, [row])]
    for output in together:
        ends = output.token_ids[-1] in rows[0].stop_token_ids
        assert ends == (output.finish == "stop")
        assert not set(output.token_ids[:-1]) & set(rows[0].stop_token_ids)


def test_text_holds_no_audio_codes(backend: LMBackend, vocabulary: Vocabulary) -> None:
    outputs = run(backend, [text(vocabulary, seed, max_tokens=200) for seed in range(4)])
    assert not any(parse.codes(output.text) for output in outputs)


def test_cancel_is_heard_within_a_step_and_the_next_call_is_clean(backend: LMBackend) -> None:
    row = codes(1, sampling=GUIDED)
    before = run(backend, [row])
    looks = iter(range(1000))
    with pytest.raises(Cancelled):
        backend.generate([row], lambda made, wanted: None, lambda: next(looks) == 20)
    assert next(looks) == 21
    assert run(backend, [row]) == before


def test_progress_rises_to_the_end(backend: LMBackend) -> None:
    told: list[tuple[int, int]] = []
    rows = [codes(seed, n=23) for seed in range(3)] + [codes(4, n=10)]
    backend.generate(rows, lambda made, wanted: told.append((made, wanted)), lambda: False)
    assert told == sorted(told)
    assert told[-1] == (79, 79)
