"""A checkpoint of true size with random weights: its sound is noise, its time and memory are the real ones.

The sizes of the transformer family are the library's defaults. Sources of the others: model card and
`config.json` of ACE-Step/Ace-Step1.5 (VAE) and of Qwen/Qwen3-Embedding-0.6B (text encoder).
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AceStepPipeline, AutoencoderOobleck, FlowMatchEulerDiscreteScheduler
from diffusers.models.transformers.ace_step_transformer import AceStepTransformer1DModel
from diffusers.pipelines.ace_step.modeling_ace_step import (
    AceStepAudioTokenDetokenizer,
    AceStepAudioTokenizer,
    AceStepConditionEncoder,
)
from transformers import AutoTokenizer, Qwen3Config, Qwen3Model

from inference import tiny
from inference.models.spec import ModelSpec

SPEC = ModelSpec(
    name="true-size-random",
    kind="diffusion",
    layout="diffusers",
    licence="none",
    size_bytes=6_300_000_000,
    family="turbo",
    steps_max=20,
    shift=3.0,
    tasks=("text2music", "cover", "repaint"),
)

COMPONENTS: dict[str, Callable[[], Any]] = {
    "transformer": lambda: AceStepTransformer1DModel(
        encoder_hidden_size=2048, is_turbo=True, model_version="turbo"
    ),
    "condition_encoder": AceStepConditionEncoder,
    "audio_tokenizer": AceStepAudioTokenizer,
    "audio_token_detokenizer": AceStepAudioTokenDetokenizer,
    "vae": lambda: AutoencoderOobleck(
        encoder_hidden_size=128,
        downsampling_ratios=[2, 4, 4, 6, 10],
        channel_multiples=[1, 2, 4, 8, 16],
        decoder_channels=128,
        decoder_input_channels=64,
        audio_channels=2,
        sampling_rate=48_000,
    ),
    "text_encoder": lambda: Qwen3Model(
        Qwen3Config(
            vocab_size=151_669,
            hidden_size=1024,
            intermediate_size=3072,
            num_hidden_layers=28,
            num_attention_heads=16,
            num_key_value_heads=8,
            head_dim=128,
        )
    ),
}


def save(folder: Path, *, device: torch.device, dtype: torch.dtype) -> Path:
    """Draw the weights on the device and write them in diffusers layout; returns the folder."""
    parts = {name: on(device, make, dtype=dtype) for name, make in COMPONENTS.items()}
    parts["condition_encoder"].silence_latent.normal_()
    pipeline = AceStepPipeline(
        **parts,
        # The tiny model's: texts have a few tokens more than with the real vocabulary.
        tokenizer=AutoTokenizer.from_pretrained(tiny.build(folder.with_name("tiny")) / "tokenizer"),
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
    )
    pipeline.save_pretrained(folder)
    return folder


def on(device: torch.device, make: Callable[[], Any], *, dtype: torch.dtype = torch.float32) -> Any:
    """Make a component with its weights drawn right on the device."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with warnings.catch_warnings(), device:
            warnings.filterwarnings("ignore", message=".*weight_norm.*", category=FutureWarning)
            return make()
    finally:
        torch.set_default_dtype(before)
