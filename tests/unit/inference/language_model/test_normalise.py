"""L11: spellings of clients."""

import pytest

from inference.language_model import normalise
from inference.language_model.block import KEYSCALES


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Am", "A minor"),
        ("C", "C major"),
        ("C Major", "C major"),
        ("c MAJOR", "C major"),
        ("Bbm", "Bb minor"),
        ("bb minor", "Bb minor"),
        ("F♯ MINOR", "F♯ minor"),
        ("E♭", "E♭ major"),
        ("G#min", "G# minor"),
        ("D maj", "D major"),
        ("DM", "D major"),
        (" A minor ", "A minor"),
        ("H minor", ""),
        ("Dm7", ""),
        ("something sad", ""),
        ("Am\nlanguage: en", ""),
        ("", ""),
    ],
)
def test_keys(text: str, key: str) -> None:
    assert normalise.keyscale(text) == key


def test_every_key_of_the_model_stays() -> None:
    assert len(KEYSCALES) == 70
    assert [normalise.keyscale(key) for key in KEYSCALES] == list(KEYSCALES)


@pytest.mark.parametrize(
    ("text", "beats"),
    [
        ("4/4", "4"),
        ("6/8", "6"),
        ("3/4", "3"),
        ("2/4", "2"),
        (" 4 ", "4"),
        ("5", ""),
        ("12/8", ""),
        ("x", ""),
    ],
)
def test_time_signatures(text: str, beats: str) -> None:
    assert normalise.timesignature(text) == beats


@pytest.mark.parametrize(
    ("text", "code"),
    [("EN", "en"), ("pt-BR", "pt"), ("zh_CN", "zh"), ("unknown", ""), ("klingon", ""), ("", "")],
)
def test_languages(text: str, code: str) -> None:
    assert normalise.language(text) == code
