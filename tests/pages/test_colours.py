"""Every pair of colours that stands on one another is told apart, computed from the style sheet."""

import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).resolve().parents[2] / "app" / "web" / "css" / "tokens.css"
TEXT, GRAPHICS = 4.5, 3.0
WORDS = ("text", "muted", "accent", "ok", "warn", "bad", "run")
LINES = ("wave", "control", *(f"track-{n}" for n in range(8)))


def colours(theme: str) -> dict[str, str]:
    blocks = re.findall(r':root(\[data-theme="dark"\])? {(.*?)}', TOKENS.read_text(), re.DOTALL)
    light = next(block for dark, block in blocks if not dark and "--bg" in block)
    dark = next(block for dark, block in blocks if dark)
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", dark if theme == "dark" else light))


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ratio(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_are_told_apart(theme: str) -> None:
    found = colours(theme)
    grounds = ("bg", "surface", "raised")
    wanted = {(word, ground): TEXT for word in WORDS for ground in grounds}
    wanted |= {(line, ground): GRAPHICS for line in LINES for ground in grounds}
    wanted["on", "accent"] = TEXT
    ratios = {pair: ratio(found[pair[0]], found[pair[1]]) for pair in wanted}
    assert {pair: round(value, 2) for pair, value in ratios.items() if value < wanted[pair]} == {}
