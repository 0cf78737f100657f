"""The texts that the language model was trained on, rendered without its chat template.

Source: acestep/constants.py and acestep/llm_inference.py of ACE-Step 1.5 (f30aee4).
"""

import re
from collections.abc import Mapping

import yaml

_GENERATE = "Generate audio semantic tokens based on the given conditions:"
_UNDERSTAND = "Understand the given musical conditions and describe the audio semantics accordingly:"
_SAMPLE = "Expand the user's input into a more detailed and specific musical description:"
_FORMAT = "Format the user's input into a more detailed and specific musical description:"

NO_USER_INPUT = "NO USER INPUT"
INSTRUMENTAL = "[Instrumental]"

_MARKS = re.compile(r"<\|[^<>]*?\|>|</?(?:think|tool_call|tool_response)>")
_MARK_BEGINS = re.compile(r"<(?=[|/a-z])")
_IN_BLOCK = ("bpm", "caption", "duration", "keyscale", "language", "timesignature")


def plain(text: str) -> str:
    """Return the text without anything that the tokenizer would read as one of its marks."""
    text = _MARKS.sub("", text)
    # Two halves may have come together only now; a blank between them cannot make a third one.
    return _MARK_BEGINS.sub("< ", text) if _MARKS.search(text) else text


def for_metadata(caption: str, lyrics: str) -> str:
    """Ask for a think block."""
    return _chat(_GENERATE, f"{_caption(caption)}\n\n{_lyric(lyrics)}\n")


def for_metadata_negative(negative: str, lyrics: str) -> str:
    """The same with the negative prompt as caption; without one, with no caption at all."""
    if is_set(negative):
        return for_metadata(negative, lyrics)
    return _chat(_GENERATE, f"{_lyric(lyrics)}\n")


def for_codes(caption: str, lyrics: str, block: Mapping[str, int | str]) -> str:
    """Ask for audio codes, which come after the end of a turn that holds the finished think block."""
    text = _block_text(block)
    return f"{for_metadata(caption, lyrics)}<think>\n{text}\n</think>\n\n<|im_end|>\n"


def for_codes_negative(caption: str, negative: str, lyrics: str) -> str:
    """The same with an empty block, so that by default guidance acts on the plan only."""
    return for_codes(negative if is_set(negative) else caption, lyrics, {})


def for_understanding(codes: str) -> str:
    """Ask what a song in audio codes is like."""
    return _chat(_UNDERSTAND, codes)


def for_sample(query: str, *, instrumental: bool) -> str:
    """Ask for a whole song from a wish in a few words; a blank query leaves everything open."""
    wish = plain(query).strip() or NO_USER_INPUT
    return _chat(_SAMPLE, f"{wish}\n\ninstrumental: {str(instrumental).lower()}")


def for_format(caption: str, lyrics: str) -> str:
    """Ask for a better caption and better lyrics."""
    caption = caption if plain(caption).strip() else NO_USER_INPUT
    lyrics = lyrics if plain(lyrics).strip() else INSTRUMENTAL
    return _chat(_FORMAT, f"{_caption(caption)}\n\n{_lyric(lyrics)}")


def is_set(negative: str) -> bool:
    """Whether a negative prompt says anything."""
    return plain(negative).strip() not in ("", NO_USER_INPUT)


def _chat(instruction: str, user: str) -> str:
    return (
        f"<|im_start|>system\n# Instruction\n{instruction}\n\n<|im_end|>\n"
        f"<|im_start|>user\n{user}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def _caption(text: str) -> str:
    return f"# Caption\n{plain(text)}"


def _lyric(text: str) -> str:
    return f"# Lyric\n{plain(text)}"


def _block_text(block: Mapping[str, int | str]) -> str:
    """Write the block as in training: sorted keys, long captions wrapped by PyYAML."""
    items = {name: _value(block[name]) for name in _IN_BLOCK if name in block}
    return yaml.dump(items, allow_unicode=True, sort_keys=True).strip() if items else ""


def _value(value: int | str) -> int | str:
    if isinstance(value, int):
        return value
    return int(value) if value.isascii() and value.isdigit() else plain(value)
