"""The layout in which ACE-Step publishes its checkpoints, read in memory: no second copy on disk.

`config.json` and one state dict (`model*.safetensors`, whole or in shards) hold four modules. The silence
latent is a file of its own; VAE and text encoder lie in folders beside the model's.
Source of names and sizes: ace-step/ACE-Step-1.5 @f30aee4 and diffusers' conversion script.
"""

import json
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderOobleck, FlowMatchEulerDiscreteScheduler
from diffusers.models.transformers.ace_step_transformer import AceStepTransformer1DModel
from diffusers.pipelines.ace_step.modeling_ace_step import (
    AceStepAudioTokenDetokenizer,
    AceStepAudioTokenizer,
    AceStepConditionEncoder,
)
from safetensors import safe_open
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from inference.errors import ModelLoadError

_PREFIXES = {
    "decoder.": "transformer",
    "encoder.": "condition_encoder",
    "tokenizer.": "audio_tokenizer",
    "detokenizer.": "audio_token_detokenizer",
}
_RENAMES = {
    ".q_proj.": ".to_q.",
    ".k_proj.": ".to_k.",
    ".v_proj.": ".to_v.",
    ".o_proj.": ".to_out.0.",
    ".q_norm.": ".norm_q.",
    ".k_norm.": ".norm_k.",
}
_TRANSFORMER_RENAMES = {"proj_in.1.": "proj_in_conv.", "proj_out.1.": "proj_out_conv."}

# Sizes that the encoders share with the transformer, unless the checkpoint has `encoder_<key>` (XL has).
_ENCODER_SIZES = ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads")
_SHARED = ("head_dim", "rope_theta", "attention_bias", "attention_dropout", "rms_norm_eps", "sliding_window")
_DEFAULTS = {
    "pool_window_size": 5,
    "num_attention_pooler_hidden_layers": 2,
    "fsq_input_levels": [8, 8, 8, 5, 5, 5],
    "fsq_input_num_quantizers": 1,
    "is_turbo": False,
    "model_version": None,
}


def components(folder: Path, *, dtype: torch.dtype) -> dict[str, Any]:
    """Load every component of the pipeline on the CPU; strict: each key has exactly one place.

    Raises:
        ModelLoadError: a key is missing or has no place; the message names it.
        OSError, ValueError, KeyError, SafetensorError: a file is missing or broken.
    """
    modules = modules_of(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    weights = _split(folder, dtype)
    weights["condition_encoder"]["silence_latent"] = _silence(folder, dtype)
    parts = folder.parent
    text = parts / "Qwen3-Embedding-0.6B"
    return {
        **{name: _load(kind, sizes, weights[name], name) for name, (kind, sizes) in modules.items()},
        "vae": AutoencoderOobleck.from_pretrained(
            parts / "vae", torch_dtype=dtype, local_files_only=True, use_safetensors=True
        ),
        "text_encoder": AutoModel.from_pretrained(
            text, dtype=dtype, local_files_only=True, use_safetensors=True, trust_remote_code=False
        ),
        "tokenizer": AutoTokenizer.from_pretrained(text, local_files_only=True, trust_remote_code=False),
        "scheduler": FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
    }


def modules_of(config: Mapping[str, Any]) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Return class and sizes of the four modules that one `config.json` describes."""
    config = {**_DEFAULTS, **config}
    return {
        "transformer": (AceStepTransformer1DModel, _transformer(config)),
        "condition_encoder": (AceStepConditionEncoder, _condition_encoder(config)),
        "audio_tokenizer": (AceStepAudioTokenizer, _tokenizer(config)),
        "audio_token_detokenizer": (AceStepAudioTokenDetokenizer, _pooler(config)),
    }


def _split(folder: Path, dtype: torch.dtype) -> dict[str, dict[str, Tensor]]:
    """Return the state dict of each module, in diffusers' names."""
    split: dict[str, dict[str, Tensor]] = {name: {} for name in _PREFIXES.values()}
    for key, tensor in _tensors(folder):
        name, renamed = _place(key)
        split[name][renamed] = tensor.to(dtype)
    return split


def _tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    shards = sorted(folder.glob("model*.safetensors"))
    if not shards:
        raise ModelLoadError(f"model {folder.name} has no model.safetensors")
    for shard in shards:
        with safe_open(shard, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118 - not a mapping
                yield key, file.get_tensor(key)


def _place(key: str) -> tuple[str, str]:
    """Return the module that a key belongs to, and its name there."""
    if key == "null_condition_emb":
        return "condition_encoder", key
    prefix = next((prefix for prefix in _PREFIXES if key.startswith(prefix)), None)
    if prefix is None:
        raise ModelLoadError(f"unexpected key {key}")
    name, renamed = _PREFIXES[prefix], key.removeprefix(prefix)
    for old, new in {**_RENAMES, **(_TRANSFORMER_RENAMES if name == "transformer" else {})}.items():
        renamed = renamed.replace(old, new)
    return name, renamed


def _silence(folder: Path, dtype: torch.dtype) -> Tensor:
    """Return (1, frames, channels); the file has channels before frames."""
    try:
        stored: Tensor = torch.load(folder / "silence_latent.pt", map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ModelLoadError("silence_latent.pt holds more than a tensor") from None
    return stored.transpose(1, 2).to(dtype).contiguous()


def _load(kind: Any, sizes: Mapping[str, Any], weights: Mapping[str, Tensor], name: str) -> Any:
    with init_empty_weights(include_buffers=False):
        module = kind(**sizes)
    expected = module.state_dict()
    for what, keys in (
        ("missing", expected.keys() - weights.keys()),
        ("unexpected", weights.keys() - expected.keys()),
        (
            "misshapen",
            {key for key, own in expected.items() if key in weights and own.shape != weights[key].shape},
        ),
    ):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise ModelLoadError(f"{what} key {name}.{min(keys)}{more}")
    module.load_state_dict(weights, assign=True)
    return module.eval()


def _transformer(config: Mapping[str, Any]) -> dict[str, Any]:
    own = ("num_hidden_layers", "in_channels", "audio_acoustic_hidden_dim", "patch_size", "layer_types")
    taken = _taken(config, *_ENCODER_SIZES, *_SHARED, *own, "is_turbo", "model_version")
    return taken | {"encoder_hidden_size": _encoder_sizes(config)["hidden_size"]}


def _condition_encoder(config: Mapping[str, Any]) -> dict[str, Any]:
    own = (
        "text_hidden_dim",
        "timbre_hidden_dim",
        "num_lyric_encoder_hidden_layers",
        "num_timbre_encoder_hidden_layers",
    )
    return _encoder_sizes(config) | _taken(config, *_SHARED, *own)


def _pooler(config: Mapping[str, Any]) -> dict[str, Any]:
    own = ("audio_acoustic_hidden_dim", "pool_window_size", "num_attention_pooler_hidden_layers")
    taken = _encoder_sizes(config) | _taken(config, *_SHARED, *own)
    return taken | {"layer_types": config["layer_types"][: taken["num_attention_pooler_hidden_layers"]]}


def _tokenizer(config: Mapping[str, Any]) -> dict[str, Any]:
    return _pooler(config) | _taken(config, "fsq_dim", "fsq_input_levels", "fsq_input_num_quantizers")


def _encoder_sizes(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: config.get(f"encoder_{key}") or config[key] for key in _ENCODER_SIZES}


def _taken(config: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: config[key] for key in keys}
