"""Metadata in the spellings of clients, brought to those of the model."""

import re

from inference.language_model.block import LANGUAGES, TIME_SIGNATURES

_KEY = re.compile(r"([A-Ga-g])([#b♯♭]?)\s*(.*)")
_FRACTIONS = {"2/4": "2", "3/4": "3", "4/4": "4", "6/8": "6"}


def keyscale(text: str) -> str:
    """Return a key such as `A minor`; "" if the text names none.

    Understands `Am`, `C`, `C Major`, `Bbm`, `F♯ MINOR`.
    """
    found = _KEY.fullmatch(text.strip())
    if found is None:
        return ""
    note, sign, mode = found.groups()
    mode = _mode(mode)
    return mode and f"{note.upper()}{sign} {mode}"


def _mode(text: str) -> str:
    if text in ("m", "M"):
        return "minor" if text == "m" else "major"
    return {"": "major", "maj": "major", "major": "major", "min": "minor", "minor": "minor"}.get(
        text.lower(), ""
    )


def timesignature(text: str) -> str:
    """Return the beats of a bar, `2`, `3`, `4` or `6`; "" for other text."""
    text = text.strip()
    beats = _FRACTIONS.get(text, text)
    return beats if beats in TIME_SIGNATURES else ""


def language(text: str) -> str:
    """Return a language code; "" for `unknown` and for what is none."""
    code = text.strip().lower().replace("_", "-").split("-")[0]
    return code if code in LANGUAGES and code != "unknown" else ""
