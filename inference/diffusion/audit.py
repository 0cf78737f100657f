"""What has to be known to make the same clip again: files, device, libraries."""

import platform
from functools import cache
from importlib.metadata import version
from typing import Any

import torch
from diffusers.models.transformers.ace_step_transformer import _get_current_attention_backend

from inference.diffusion.placement import Placement
from inference.models.registry import ModelSpec


def describe(spec: ModelSpec, file_hashes: dict[str, str], placement: Placement) -> dict[str, Any]:
    """Describe model, machine and libraries of a run."""
    device = placement.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "model": spec.name,
        "repo": spec.repo,
        "revision": spec.revision,
        "files": file_hashes,
        "device": f"{device} ({name})",
        "dtype": str(placement.dtype).removeprefix("torch."),
        "attention_backend": placement.attention,
        "compiled": "dynamic" if placement.compiled else "no",
        "offload": placement.offload,
        "threads": torch.get_num_threads(),
        "versions": library_versions(),
    }


def _attention_backend(transformer: Any) -> str:
    processor = next(iter(transformer.attn_processors.values()))
    return str(_get_current_attention_backend(processor).value)


def _is_compiled(transformer: torch.nn.Module) -> bool:
    """Whether the transformer or a part of it, such as its repeated blocks, runs compiled."""
    return any(module._compiled_call_impl is not None for module in transformer.modules())


@cache
def library_versions() -> dict[str, str | None]:
    """Return the versions that decide about the samples; no CUDA on a build without it."""
    libraries = {name: version(name) for name in ("torch", "diffusers", "transformers")}
    return {"python": platform.python_version(), "cuda": torch.version.cuda, **libraries}
