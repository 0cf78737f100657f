"""What has to be known to make the same clip again: files, device, libraries."""

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from diffusers.models.transformers.ace_step_transformer import _get_current_attention_backend

from inference.models.registry import ModelSpec


def hash_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a checkpoint, by its path inside the folder."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in found}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(
    spec: ModelSpec,
    file_hashes: dict[str, str],
    transformer: torch.nn.Module,
    device: torch.device,
    dtype: torch.dtype,
) -> dict[str, Any]:
    """Describe model, machine and libraries of a run, and how the transformer really computes."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "model": spec.name,
        "repo": spec.repo,
        "revision": spec.revision,
        "files": file_hashes,
        "device": f"{device} ({name})",
        "dtype": str(dtype).removeprefix("torch."),
        "attention_backend": _attention_backend(transformer),
        "compiled": _is_compiled(transformer),
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
