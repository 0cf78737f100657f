"""The example texts: complete, sensible, and chosen fairly."""

import random
import re
from collections import Counter

import pytest

from app.domain.errors import ValidationError
from app.domain.params import BY_NAME, VOCAL_LANGUAGES
from app.domain.samples import Sample, pick, samples

EVERY = [sample for mode in ("simple", "custom") for sample in samples()[mode]]
INSTRUMENTAL = "[instrumental]"


def test_there_are_at_least_sixty_in_both_modes_and_eight_languages() -> None:
    assert len(EVERY) >= 60
    assert min(len(samples()["simple"]), len(samples()["custom"])) >= 25
    assert len({sample.vocal_language for sample in EVERY if not sample.instrumental}) >= 8
    assert sum(sample.instrumental for sample in EVERY) >= 8


@pytest.mark.parametrize("field", ["caption", "description"])
def test_no_two_are_alike(field: str) -> None:
    counted = Counter(getattr(sample, field) for sample in EVERY)
    assert [text for text, count in counted.items() if count > 1] == []


def test_no_lyrics_are_used_twice() -> None:
    sung = [sample.lyrics for sample in EVERY if not sample.instrumental]
    assert len(set(sung)) == len(sung)


@pytest.mark.parametrize("sample", EVERY, ids=lambda sample: sample.description[:30])
def test_every_value_is_one_that_the_service_uses_as_it_is(sample: Sample) -> None:
    bpm, duration = BY_NAME["bpm"], BY_NAME["audio_duration"]
    assert bpm.minimum is not None
    assert bpm.maximum is not None
    assert duration.minimum is not None
    assert duration.maximum is not None
    assert bpm.minimum <= sample.bpm <= bpm.maximum
    assert duration.minimum <= sample.duration <= duration.maximum
    assert re.fullmatch(r"[A-G][#b]? (major|minor)", sample.key_scale)
    assert sample.time_signature in ("2", "3", "4", "6")
    assert sample.caption.strip() == sample.caption != ""
    assert sample.description.strip() == sample.description != ""
    assert sample.lyrics.strip() == sample.lyrics != ""
    assert len(sample.caption) <= 512
    if sample.instrumental:
        assert (sample.lyrics, sample.vocal_language) == (INSTRUMENTAL, "unknown")
    else:
        assert sample.vocal_language in VOCAL_LANGUAGES
        assert re.match(r"\[.+\]\n", sample.lyrics)
        assert len(sample.lyrics.splitlines()) >= 6


@pytest.mark.parametrize("word", [None, "", "  ", "simple_mode", " simple_mode "])
def test_blank_means_simple(word: object) -> None:
    assert {pick(word).mode for _ in range(20)} == {"simple"}


@pytest.mark.parametrize("word", ["custom_mode", "anything", 7, False])
def test_any_other_word_means_custom(word: object) -> None:
    assert {pick(word).mode for _ in range(20)} == {"custom"}


def test_a_list_is_no_word() -> None:
    with pytest.raises(ValidationError, match="sample_type"):
        pick(["simple_mode"])


def test_every_example_of_a_mode_comes_up_about_equally_often() -> None:
    random.seed(7)
    rounds = 200 * len(samples()["simple"])
    counted = Counter(pick(None).caption for _ in range(rounds))
    assert len(counted) == len(samples()["simple"])
    assert 120 < min(counted.values()) <= max(counted.values()) < 280
