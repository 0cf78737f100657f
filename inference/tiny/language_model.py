"""The tiny 5 Hz language model: a Qwen3 of two layers, with a tokenizer that has audio codes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, pre_tokenizers
from transformers import GenerationConfig, Qwen2Tokenizer, Qwen3Config, Qwen3ForCausalLM
from transformers.utils import logging as transformers_logging

_END_OF_TEXT, _TURN, _END_OF_TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
_THINK = ("<think>", "</think>")
_WORDS = (
    "bpm",
    "caption",
    "duration",
    "genres",
    "keyscale",
    "language",
    "timesignature",
    "verse",
    "chorus",
    "instrumental",
    "song",
    "ing",
)
_WORDS_AFTER_A_SPACE = ("major", "minor", "C", "en", "zh", "unknown", "the", "and")
_CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_VOCABULARY_STEP = 8


def save(folder: Path, *, audio_tokens: int, seed: int) -> None:
    """Write tokenizer and weights; equal arguments give equal bytes."""
    transformers_logging.disable_progress_bar()
    tokenizer = _tokenizer(audio_tokens)
    size = -(-len(tokenizer) // _VOCABULARY_STEP) * _VOCABULARY_STEP
    config = Qwen3Config(
        vocab_size=size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        initializer_range=0.2,  # with the usual 0.02 all logits are nearly equal, whatever the prompt
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config)
    model.generation_config = GenerationConfig()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _tokenizer(audio_tokens: int) -> Any:
    """Byte-level BPE: every byte, a few whole words, the marks of a chat, and the audio codes."""
    vocabulary = {letter: place for place, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges: list[tuple[str, str]] = []
    for left, right in _merges():
        if left + right not in vocabulary:
            vocabulary[left + right] = len(vocabulary)
            merges.append((left, right))
    tokenizer = Qwen2Tokenizer(
        vocab=vocabulary,
        merges=merges,
        eos_token=_END_OF_TURN,
        pad_token=_END_OF_TEXT,
        additional_special_tokens=[_TURN],
        chat_template=_CHAT_TEMPLATE,
    )
    # As in the real tokenizers, these are added tokens but not special ones.
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in _THINK])
    codes = (AddedToken(f"<|audio_code_{code}|>", normalized=False) for code in range(audio_tokens))
    tokenizer.add_tokens(list(codes))
    return tokenizer


def _merges() -> Iterator[tuple[str, str]]:
    """Yield pairs that grow each word from its first letter; a space in front is spelled as in GPT-2."""
    for word in (*_WORDS, *(f"Ġ{word}" for word in _WORDS_AFTER_A_SPACE)):
        for length in range(1, len(word)):
            yield word[:length], word[length]
