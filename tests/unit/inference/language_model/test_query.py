import pytest

from inference.language_model.query import is_instrumental, language_in


@pytest.mark.parametrize(
    ("query", "instrumental"),
    [
        ("An INSTRUMENTAL piece", True),
        ("pure music for sleep", True),
        ("pure instrument", True),
        ("a long guitar Solo ", True),
        ("a solo singer", False),
        ("solo", False),
        ("", False),
    ],
)
def test_instrumental(query: str, instrumental: bool) -> None:
    assert is_instrumental(query) is instrumental


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("a soft Bengali love song", "bn"),
        ("something in French, then in English", "fr"),
        ("Haitian Creole carnival", "ht"),
        ("一首中文歌", ""),
        ("中文 ballad", "zh"),
        ("latin jazz", ""),
        ("sung in Latin", "la"),
        ("a thailand trip", ""),
        ("", ""),
    ],
)
def test_language(query: str, code: str) -> None:
    assert language_in(query) == code
