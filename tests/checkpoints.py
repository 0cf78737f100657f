"""Writes a checkpoint of diffusers' layout in the one in which ACE-Step publishes its models."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

_MODULES = {
    "transformer": "decoder.",
    "condition_encoder": "encoder.",
    "audio_tokenizer": "tokenizer.",
    "audio_token_detokenizer": "detokenizer.",
}
# diffusers' name -> the original's, from the end of the attention modules and the ends of the transformer.
_NAMES = {
    "to_q": "q_proj",
    "to_k": "k_proj",
    "to_v": "v_proj",
    "to_out.0": "o_proj",
    "norm_q": "q_norm",
    "norm_k": "k_norm",
    "proj_in_conv": "proj_in.1",
    "proj_out_conv": "proj_out.1",
}


def write_original(checkpoint: Path, folder: Path, *, shards: int = 1) -> Path:
    """Write `folder` and, beside it, the two folders that models share; returns `folder`."""
    folder.mkdir(parents=True)
    state = {
        _original_name(module, key): tensor
        for module in _MODULES
        for key, tensor in load_file(checkpoint / module / "diffusion_pytorch_model.safetensors").items()
    }
    silence = state.pop("encoder.silence_latent")
    torch.save(silence.transpose(1, 2).contiguous(), folder / "silence_latent.pt")
    for shard in range(shards):
        name = f"model-{shard + 1:05}-of-{shards:05}.safetensors" if shards > 1 else "model.safetensors"
        save_file({key: state[key] for key in sorted(state)[shard::shards]}, folder / name)
    (folder / "config.json").write_text(json.dumps(_config(checkpoint)))
    shutil.copytree(checkpoint / "vae", folder.parent / "vae")
    text = folder.parent / "Qwen3-Embedding-0.6B"
    shutil.copytree(checkpoint / "text_encoder", text)
    shutil.copytree(checkpoint / "tokenizer", text, dirs_exist_ok=True)
    return folder


def _original_name(module: str, key: str) -> str:
    if key == "null_condition_emb":
        return key
    for name, original in _NAMES.items():
        if key.startswith(f"{name}.") or f".{name}." in key:
            key = key.replace(name, original)
    return _MODULES[module] + key


def _config(checkpoint: Path) -> dict[str, Any]:
    """One flat table for the four modules; the library's own remarks are left out."""
    flat: dict[str, Any] = {"model_type": "acestep", "encoder_hidden_size": None}
    for module in reversed(_MODULES):  # the transformer's own values win
        config = json.loads((checkpoint / module / "config.json").read_text())
        flat |= {key: value for key, value in config.items() if value is not None and not key.startswith("_")}
    layers = max(flat[key] for key in flat if key.endswith("hidden_layers"))
    flat["layer_types"] = ["sliding_attention", "full_attention"] * layers
    return flat
