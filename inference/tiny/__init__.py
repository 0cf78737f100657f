"""Builds the tiny random-weight checkpoints: the real classes and rates, no music, nothing downloaded."""

from functools import partial
from pathlib import Path
from typing import Literal

from inference.tiny.publish import publish

Variant = Literal["turbo", "base"]

# Raised whenever a change of one of them changes a file, so that an older folder is built again.
BUILD = "tiny 1"
LANGUAGE_MODEL_BUILD = "tiny language model 1"

AUDIO_TOKENS = 640
ALL_AUDIO_TOKENS = 65_535


def build(folder: Path, *, variant: Variant = "turbo", seed: int = 0) -> Path:
    """Build a diffusion checkpoint, unless a complete one is there; two processes may race.

    The same variant and seed give the same bytes in every file. The parent folder is created.

    Returns:
        `folder`.
    """
    from inference.tiny import diffusion

    save = partial(diffusion.save, variant=variant, seed=seed)
    return publish(folder, save, stamp=f"{BUILD} {variant} {seed}\n")


def build_language_model(folder: Path, *, audio_tokens: int = AUDIO_TOKENS, seed: int = 0) -> Path:
    """Build a language model, as `build` does.

    Args:
        audio_tokens: how many audio codes its tokenizer knows; the real ones know `ALL_AUDIO_TOKENS`.
    """
    from inference.tiny import language_model

    save = partial(language_model.save, audio_tokens=audio_tokens, seed=seed)
    return publish(folder, save, stamp=f"{LANGUAGE_MODEL_BUILD} {audio_tokens} {seed}\n")
