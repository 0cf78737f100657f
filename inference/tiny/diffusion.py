"""The tiny checkpoint of the diffusion half, in diffusers layout."""

import warnings
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
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer, Qwen3Config, Qwen3Model
from transformers.utils import logging as transformers_logging

_ACOUSTIC_DIM = 8
_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
_END_OF_TEXT, _END_OF_TURN = "<|endoftext|>", "<|im_end|>"
_TOKENIZER_LINES = (
    "# Instruction\nFill the audio semantic mask based on the given conditions:\n\n# Caption\n",
    "# Metas\n- bpm: 120\n- timesignature: 4\n- keyscale: C major\n- duration: 30 seconds\n",
    "# Languages\nen\n\n# Lyric\n[verse]\nwalking home along the river while\n[chorus]\n",
)


def save(folder: Path, *, variant: str, seed: int) -> None:
    """Write the files of one variant, `turbo` or `base`; equal arguments give equal bytes."""
    transformers_logging.disable_progress_bar()
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.filterwarnings("ignore", message=".*weight_norm.*", category=FutureWarning)
        torch.manual_seed(seed)
        pipeline = AceStepPipeline(
            vae=_vae(),
            text_encoder=_text_encoder(),
            tokenizer=_tokenizer(),
            transformer=_transformer(variant),
            condition_encoder=_condition_encoder(),
            scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
            audio_tokenizer=_audio_tokenizer(),
            audio_token_detokenizer=_audio_token_detokenizer(),
        )
        pipeline.save_pretrained(folder)


def _vae() -> Any:
    return AutoencoderOobleck(
        encoder_hidden_size=2 * _ACOUSTIC_DIM,  # the encoder's output is mean and scale of the latent
        downsampling_ratios=[2, 4, 4, 6, 10],
        channel_multiples=[1, 1, 1, 1, 1],
        decoder_channels=4,
        decoder_input_channels=_ACOUSTIC_DIM,
        audio_channels=2,
        sampling_rate=48_000,
    )


def _text_encoder() -> Any:
    return Qwen3Model(Qwen3Config(vocab_size=512, num_hidden_layers=2, **_SIZES)).eval()


def _tokenizer() -> Any:
    """Byte-level BPE of the vocabulary size of the text encoder."""
    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learned.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[_END_OF_TEXT, _END_OF_TURN],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    learned.train_from_iterator(_TOKENIZER_LINES, trainer)
    return Qwen2Tokenizer(
        tokenizer_object=learned, padding_side="right", eos_token=_END_OF_TURN, pad_token=_END_OF_TEXT
    )


def _transformer(variant: str) -> Any:
    return AceStepTransformer1DModel(
        num_hidden_layers=2,
        in_channels=3 * _ACOUSTIC_DIM,
        audio_acoustic_hidden_dim=_ACOUSTIC_DIM,
        encoder_hidden_size=_SIZES["hidden_size"],
        is_turbo=variant == "turbo",
        model_version=variant,
        **_SIZES,
    )


def _condition_encoder() -> Any:
    encoder = AceStepConditionEncoder(
        text_hidden_dim=_SIZES["hidden_size"],
        timbre_hidden_dim=_ACOUSTIC_DIM,
        num_lyric_encoder_hidden_layers=2,
        num_timbre_encoder_hidden_layers=2,
        **_SIZES,
    )
    encoder.silence_latent.copy_(torch.randn(1, 1, _ACOUSTIC_DIM).expand_as(encoder.silence_latent))
    return encoder


def _audio_tokenizer() -> Any:
    return AceStepAudioTokenizer(
        audio_acoustic_hidden_dim=_ACOUSTIC_DIM,
        fsq_dim=_SIZES["hidden_size"],
        num_attention_pooler_hidden_layers=1,
        **_SIZES,
    )


def _audio_token_detokenizer() -> Any:
    return AceStepAudioTokenDetokenizer(
        audio_acoustic_hidden_dim=_ACOUSTIC_DIM, num_attention_pooler_hidden_layers=1, **_SIZES
    )
