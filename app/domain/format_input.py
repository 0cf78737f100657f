"""From the body of `/format_input` to what the language model is asked to improve, and back to the answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.aliases import as_object
from app.domain.draft import Draft
from app.domain.offers import Limits
from app.domain.params import BY_NAME
from app.domain.reading import Reader

NAMES: Mapping[str, tuple[str, ...]] = {
    "bpm": ("bpm",),
    "key_scale": ("key", "key_scale", "keyscale"),
    "time_signature": ("time_signature", "timesignature"),
    "audio_duration": ("duration",),
    "vocal_language": ("language", "vocal_language"),
}
"""Metadata by the canonical name, with the names under which it may stand in `param_obj` and beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatWish:
    """What to rewrite; metadata of the user wins over the language model, None and `""` = not given."""

    prompt: str
    lyrics: str
    temperature: float
    bpm: int | None
    key_scale: str
    time_signature: str
    duration_s: float | None
    vocal_language: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FormattedInput:
    """The improved texts with the metadata that belong to them; `unknown` = no language is known."""

    caption: str
    lyrics: str
    bpm: int | None
    key_scale: str
    time_signature: str
    duration_s: float | None
    vocal_language: str


def join(wish: FormatWish, written: Mapping[str, Any]) -> FormattedInput:
    """Put what the user had given over what the language model wrote, where the user had given something.

    Args:
        written: `caption`, `lyrics`, `bpm`, `keyscale`, `timesignature`, `duration`, `language`, or some.
    """
    return FormattedInput(
        caption=written.get("caption") or wish.prompt,
        lyrics=written.get("lyrics") or wish.lyrics,
        bpm=wish.bpm or written.get("bpm"),
        key_scale=wish.key_scale or written.get("keyscale") or "",
        time_signature=wish.time_signature or written.get("timesignature") or "",
        duration_s=wish.duration_s or written.get("duration"),
        vocal_language=wish.vocal_language or written.get("language") or "unknown",
    )


def parse_format_wish(body: Mapping[str, Any], limits: Limits) -> FormatWish:
    """Read the request with the rules of the parameter table.

    Raises:
        ValidationError: a text that is too long, or no text.
    """
    given = {name: _find(body, names) for name, names in NAMES.items()}
    given |= {
        "prompt": _first(body, ("prompt", "caption")),
        "lyrics": body.get("lyrics"),
        "lm_temperature": body.get("temperature"),
    }
    draft = Draft({name: value for name, value in given.items() if value is not None})
    reader = Reader(draft, limits, is_turbo=False)
    read = {name: reader.read(BY_NAME[name]) for name in given}
    return FormatWish(
        prompt=read["prompt"],
        lyrics=read["lyrics"],
        temperature=read["lm_temperature"],
        bpm=read["bpm"],
        key_scale=read["key_scale"],
        time_signature=read["time_signature"],
        duration_s=read["audio_duration"],
        vocal_language=read["vocal_language"] if draft.is_given("vocal_language") else None,
    )


def _find(body: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """Look into `param_obj` first; the same names beside it are the fallback."""
    found = _first(as_object(body.get("param_obj")), names)
    return _first(body, names) if found is None else found


def _first(source: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((source[name] for name in names if source.get(name) is not None), None)
