"""`Engine.format_prompt` with the tiny language model."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from inference.engine import Engine, make_engine
from inference.errors import Cancelled, LMNotAvailable, LMOutputInvalid
from inference.language import LanguageOptions, PromptRequest, Song
from inference.language_model.block import LANGUAGES, TIME_SIGNATURES
from inference.request import EngineOptions
from tests.integration.language_model.conftest import MODEL

pytestmark = pytest.mark.inference

REQUEST = PromptRequest(
    options=LanguageOptions(seed=3, backend="vllm"),
    song=Song(caption="pop", lyrics="la", bpm=97, keyscale="Am", duration=33.5),
)


@pytest.fixture(scope="module")
def engine(model_folder: Path) -> Iterator[Engine]:
    options = EngineOptions(
        models=(), models_dir=str(model_folder.parent), language_models=(MODEL,), device="cpu"
    )
    engine = make_engine("", options)
    yield engine
    engine.close()


def test_what_is_known_stays_and_the_rest_is_filled_in(engine: Engine) -> None:
    result = engine.format_prompt(REQUEST, lambda: False)
    song, record = result.song, result.record
    assert (song.bpm, song.keyscale, song.duration) == (97, "A minor", 33.5)
    assert song.caption != "pop"
    assert song.lyrics != "la"
    assert song.language in LANGUAGES
    assert song.timesignature in TIME_SIGNATURES
    assert (record.written.bpm, record.written.duration, record.written.keyscale) == (97, 33, "A minor")
    assert (record.model, record.backend_requested, record.backend_used) == (MODEL, "vllm", "pt")
    assert record.fallback
    assert [phase.name for phase in record.phases] == ["format", "lyrics"]
    assert record.phases[0].text.startswith("<think>\nbpm: 97\ncaption: ")


def test_the_seed_decides(engine: Engine) -> None:
    first = engine.format_prompt(REQUEST, lambda: False).song
    assert engine.format_prompt(REQUEST, lambda: False).song == first
    other = replace(REQUEST, options=replace(REQUEST.options, seed=4))
    assert engine.format_prompt(other, lambda: False).song != first


def test_random_weights_without_a_grammar_give_nothing_usable_twice(engine: Engine) -> None:
    free = replace(REQUEST, options=replace(REQUEST.options, constrained=False))
    with pytest.raises(LMOutputInvalid):
        engine.format_prompt(free, lambda: False)


def test_it_can_be_stopped(engine: Engine) -> None:
    with pytest.raises(Cancelled):
        engine.format_prompt(REQUEST, lambda: True)


def test_an_engine_without_a_language_model_says_so(model_folder: Path) -> None:
    engine = make_engine("", EngineOptions(models=(), models_dir=str(model_folder.parent), device="cpu"))
    with pytest.raises(LMNotAvailable, match="language model not available"):
        engine.format_prompt(REQUEST, lambda: False)
