"""Example requests for people who want to hear something first; written for this project."""

import random
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

import msgspec

from app.domain import coerce

Mode = Literal["simple", "custom"]
SIMPLE_WORD = "simple_mode"


class Sample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One example.

    Attributes:
        description: what a user would type in simple mode; `caption` is the prompt made of it.
        time_signature: beats per bar: `2`, `3`, `4` or `6`.
        duration: seconds.
        vocal_language: code of the lyrics, `unknown` if there is nothing to sing.
    """

    mode: Mode
    description: str
    caption: str
    lyrics: str
    bpm: int
    key_scale: str
    time_signature: str
    duration: int
    vocal_language: str
    instrumental: bool = False


@cache
def samples() -> Mapping[Mode, Sequence[Sample]]:
    """Return all examples by mode."""
    text = (files("app.domain") / "samples.json").read_bytes()
    every = msgspec.json.decode(text, type=list[Sample])
    return MappingProxyType(
        {
            "simple": [sample for sample in every if sample.mode == "simple"],
            "custom": [sample for sample in every if sample.mode == "custom"],
        }
    )


def pick(sample_type: object) -> Sample:
    """Choose an example; blank and `simple_mode` mean the simple ones, anything else the custom ones.

    Raises:
        ValidationError: an array or an object.
    """
    word = SIMPLE_WORD if coerce.is_blank(sample_type) else coerce.to_text(sample_type, "sample_type")
    return random.choice(samples()["simple" if word.strip() == SIMPLE_WORD else "custom"])
