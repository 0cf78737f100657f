"""From the text of the model to values; by line, because captions hold colons, and never raising."""

import re
from collections.abc import Iterable

from inference.language_model.block import (
    BPM_RANGE,
    DURATION_RANGE_S,
    FIELDS,
    GENRES_MAX_CHARS,
    KEYSCALES,
    LANGUAGES,
    LYRICS_MAX_CHARS,
    TIME_SIGNATURES,
    Block,
)
from inference.language_model.prompts import plain

_BEGIN, _END, _END_OF_TURN = "<think>", "</think>", "<|im_end|>"
_FIELD = re.compile(rf"({'|'.join(FIELDS)}):(.*)", re.DOTALL)
_HEADERS = re.compile(r"\s*(?:# Languages?\b[^\n]*\n(?:(?!#)[^\n]*\n)*)?\s*(?:# Lyrics?\b[^\n]*(?:\n|$))?")
_CODE = re.compile(r"<\|audio_code_(\d{1,9})\|>")
# What no text of a song holds: control characters but newline and tab, and bytes that are no letter.
_UNREADABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffd]")
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"")


def block(text: str, *, max_duration_s: int = DURATION_RANGE_S[1]) -> Block:
    """Read a think block; what is out of its domain is left out."""
    text = text.partition(_BEGIN)[2] if _BEGIN in text else text
    found = _fields(text.partition(_END)[0])
    return Block(
        bpm=_whole(found.get("bpm", ""), *BPM_RANGE),
        caption=_unquoted(found.get("caption", "")),
        duration=_whole(found.get("duration", ""), DURATION_RANGE_S[0], max_duration_s),
        genres=_unquoted(found.get("genres", ""))[:GENRES_MAX_CHARS],
        keyscale=_one_of(found.get("keyscale", ""), KEYSCALES),
        language=_one_of(found.get("language", ""), LANGUAGES),
        timesignature=_one_of(found.get("timesignature", ""), TIME_SIGNATURES),
    )


def is_complete(text: str) -> bool:
    """Whether the think block was begun and ended."""
    return _END in text.partition(_BEGIN)[2]


def lyrics(text: str) -> str:
    """Return the lyrics that follow a think block, without headers and end mark, cut to their limit."""
    text = text.partition(_END)[2] if _END in text else text
    text = text.partition(_END_OF_TURN)[0]
    header = _HEADERS.match(text)
    rest = text[header.end() :] if header else text
    return _readable(rest).strip()[:LYRICS_MAX_CHARS]


def codes(text: str) -> tuple[int, ...]:
    """Return the audio codes in a text, in order; other text is passed over."""
    return tuple(int(number) for number in _CODE.findall(text))


def code_text(codes: Iterable[int]) -> str:
    """Return codes in their text form."""
    return "".join(f"<|audio_code_{code}|>" for code in codes)


def _fields(text: str) -> dict[str, str]:
    """Return the text of each field, its lines joined by blanks; the first one of a name counts."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.split("\n"):  # not splitlines: captions may hold other separators
        begins = _FIELD.fullmatch(line)
        if begins is None:
            current.append(line)
            continue
        name, rest = begins.groups()
        current = [rest]
        found.setdefault(name, current)
    return {name: " ".join(part for line in lines if (part := line.strip())) for name, lines in found.items()}


def _unquoted(text: str) -> str:
    """Return free text as meant; a YAML writer quotes what holds a colon and a blank."""
    text = _readable(text).strip()
    if _QUOTED.fullmatch(text):
        return text[1:-1].replace("''", "'") if text[0] == "'" else text[1:-1]
    return text


def _readable(text: str) -> str:
    return plain(_UNREADABLE.sub("", text))


def _whole(text: str, low: int, high: int) -> int | None:
    digits = text.strip("'\"")
    number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else None
    return number if number is not None and low <= number <= high else None


def _one_of(text: str, domain: tuple[str, ...]) -> str:
    text = text.strip("'\"")
    return text if text in domain else ""
