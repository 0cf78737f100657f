"""Which tokens a row may take next, by the grammar of its answer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper
from numpy.typing import NDArray

from inference.errors import LMOutputInvalid
from inference.language_model.vocabulary import Vocabulary


def token_table(tokenizer: Any, vocabulary: Vocabulary) -> LLTokenizer:
    """Tell llguidance the bytes of every token; done once for a tokenizer.

    Its own reading of a tokenizer takes many seconds with 65 000 audio tokens. Added tokens and the columns
    behind the last token are special: free text can never become one of them.
    """
    return LLTokenizer(TokenizerWrapper(_Tokens(tokenizer, vocabulary)))


class Grammars:
    """One matcher for each row."""

    def __init__(self, table: LLTokenizer, grammars: Sequence[str]) -> None:
        self._columns = table.vocab_size
        self._matchers = [LLMatcher(table, grammar) for grammar in grammars]
        for matcher in self._matchers:
            if matcher.is_error():
                raise ValueError(matcher.get_error())  # ours: no client writes a grammar

    def allowed(self, row: int) -> NDArray[np.bool_]:
        """Return (columns,): the tokens that a row may take now.

        Raises:
            LMOutputInvalid: none.
        """
        bits = np.frombuffer(self._matchers[row].compute_bitmask(), dtype=np.uint8)
        allowed = np.unpackbits(bits, bitorder="little", count=self._columns).astype(bool)
        if not allowed.any():
            raise LMOutputInvalid
        return allowed

    def take(self, row: int, token: int) -> None:
        """Note the token that a row took.

        Raises:
            LMOutputInvalid: the grammar does not allow it.
        """
        matcher = self._matchers[row]
        if not matcher.consume_token(token):
            raise LMOutputInvalid from ValueError(matcher.get_error())


class _Tokens:
    """A tokenizer as llguidance wants to see it."""

    def __init__(self, tokenizer: Any, vocabulary: Vocabulary) -> None:
        added = tokenizer.added_tokens_decoder
        letters = _byte_of_letter()
        names = tokenizer.convert_ids_to_tokens(range(vocabulary.known))
        beyond = range(vocabulary.known, vocabulary.size)
        self._tokenizer = tokenizer
        self.eos_token_id = vocabulary.end_of_turn
        self.bos_token_id = None
        self.special_token_ids = [*sorted(added), *beyond]
        self.tokens = [
            added[place].content.encode() if place in added else bytes(letters[letter] for letter in name)
            for place, name in enumerate(names)
        ]
        self.tokens += [f"<|unused_{place}|>".encode() for place in beyond]

    def __call__(self, text: bytes) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text.decode(errors="replace"), add_special_tokens=False)
        return ids


def _byte_of_letter() -> dict[str, int]:
    """Return the byte behind each letter of a byte-level vocabulary.

    Source: GPT-2's bytes_to_unicode: printable bytes stand for themselves, the others follow from U+0100.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}
