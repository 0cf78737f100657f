"""The tokens with a meaning of their own, as the tokenizer of a model numbers them."""

from collections.abc import Mapping
from dataclasses import dataclass

from inference.errors import ModelLoadError

MAX_CODES = 64_000
"""Audio codes are 0 to 63 999 (FSQ 8 · 8 · 8 · 5 · 5 · 5); tokenizers may have more audio tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Ids of tokens.

    Attributes:
        size: columns of the model's logits; may be more than the tokenizer has tokens.
        known: tokens of the tokenizer.
        first_code: the token of audio code 0; those of the other codes follow it.
        audio_tokens: how many audio tokens there are.
        end_of_turn: `<|im_end|>`, the end of an answer.
    """

    size: int
    known: int
    think: int
    end_of_think: int
    end_of_turn: int
    pad: int
    first_code: int
    audio_tokens: int

    @property
    def codes(self) -> int:
        """How many of the audio tokens stand for a code that can be played."""
        return min(MAX_CODES, self.audio_tokens)


def read_vocabulary(ids: Mapping[str, int], *, size: int) -> Vocabulary:
    """Find the tokens.

    Args:
        ids: every token of the tokenizer.
        size: columns of the model's logits.

    Raises:
        ModelLoadError: the tokenizer is not one of a 5 Hz language model.
    """
    try:
        think, end_of_think = ids["<think>"], ids["</think>"]
        end_of_turn, pad, first_code = ids["<|im_end|>"], ids["<|endoftext|>"], ids["<|audio_code_0|>"]
    except KeyError as error:
        raise ModelLoadError(f"the tokenizer has no token {error.args[0]}") from error
    audio_tokens = sum(token.startswith("<|audio_code_") for token in ids)
    for code in range(audio_tokens):
        if ids.get(f"<|audio_code_{code}|>") != first_code + code:
            raise ModelLoadError("the audio tokens of the tokenizer do not follow each other")
    if max(ids.values()) >= size:
        raise ModelLoadError("the tokenizer has more tokens than the model")
    return Vocabulary(
        size=size,
        known=max(ids.values()) + 1,
        think=think,
        end_of_think=end_of_think,
        end_of_turn=end_of_turn,
        pad=pad,
        first_code=first_code,
        audio_tokens=audio_tokens,
    )
