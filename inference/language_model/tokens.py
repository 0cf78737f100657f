"""The tokenizer of a language model, and what is known of its tokens."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from inference.errors import ModelLoadError
from inference.language_model.constraint import token_table
from inference.language_model.vocabulary import read_vocabulary


class Tokens:
    """Text to tokens and back, without adding or losing a mark; the same for every backend of a model.

    Attributes:
        vocabulary: ids of the tokens with a meaning.
        table: what llguidance knows of the tokens.
    """

    def __init__(self, folder: Path) -> None:
        """Read the tokenizer.

        Raises:
            ModelLoadError: the files are broken, or not those of a 5 Hz language model.
        """
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            size = int(json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"])
        except (OSError, ValueError, KeyError) as error:
            raise ModelLoadError("the tokenizer of the language model cannot be read") from error
        self.vocabulary = read_vocabulary(self.tokenizer.get_vocab(), size=size)
        self.table = token_table(self.tokenizer, self.vocabulary)

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a rendered prompt."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens, marks included; a NUL, which databases refuse, becomes U+FFFD."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text.replace("\x00", "\ufffd")
