"""A 5 Hz language model of true size with random weights: its codes are noise, its time and memory are real.

Source of the sizes: `config.json` of Qwen3-0.6B, Qwen3-1.7B and Qwen3-4B, of which the models are made; the
vocabulary is Qwen3's with 65 535 audio tokens behind it.
"""

import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from inference import tiny
from inference.models.spec import ModelSpec
from tests.gpu.checkpoint import on

SPEC = ModelSpec(
    name="true-size-random-lm",
    kind="language",
    local=Path("true-size-random-lm"),
    layout="plain",
    licence="none",
    size_bytes=8_000_000_000,
)
VOCABULARY = 151_669 + tiny.ALL_AUDIO_TOKENS
SIZES: dict[str, dict[str, int]] = {
    "0.6B": {
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
    },
    "1.7B": {
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
    },
    "4B": {
        "hidden_size": 2560,
        "intermediate_size": 9728,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
    },
}


def network(size: str) -> Any:
    """Return the network of a size, on the default device."""
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        num_key_value_heads=8,
        head_dim=128,
        max_position_embeddings=40_960,
        tie_word_embeddings=True,
        **SIZES[size],
    )
    return Qwen3ForCausalLM(config)


def save(folder: Path, size: str, *, device: torch.device, dtype: torch.dtype) -> Path:
    """Draw the weights on the device and write them beside a tokenizer with every audio token."""
    on(device, lambda: network(size), dtype=dtype).save_pretrained(folder)
    small = tiny.build_language_model(folder.with_name("tokenizer"), audio_tokens=tiny.ALL_AUDIO_TOKENS)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(small / name, folder / name)
    return folder
