"""What must be known of one checkpoint."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

# What a download may bring, by layout: weights as safetensors, and the one tensor that exists only pickled.
_PATTERNS = {
    "original": ("config.json", "model*.safetensors", "model.safetensors.index.json", "silence_latent.pt"),
    "diffusers": ("model_index.json", "*/*.json", "*/*.safetensors", "*/*.txt", "*/*.jinja"),
    "plain": ("*.json", "*.safetensors", "*.txt", "*.jinja"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One entry of the registry.

    Attributes:
        kind: a part belongs to other models and is never asked for by itself.
        repo, revision, subfolder: place on the hub; no repo and no local folder = built by this package,
            no revision = pinned when it is downloaded for the first time.
        local: folder of the operator that is used where it lies.
        layout: how the files lie on disk.
        shared: names of the parts that must lie beside it.
        sha256: hashes of files that are known in advance, by path inside the folder.
        size_bytes: of the download, without the parts.
        family, steps_max, tasks: of diffusion models only; steps_max is the upper bound of the steps.
        shift: fixed by the model; None = taken from the request.
    """

    name: str
    kind: Literal["diffusion", "language", "part"]
    repo: str | None = None
    revision: str | None = None
    subfolder: str = ""
    local: Path | None = None
    layout: Literal["diffusers", "original", "plain"]
    shared: tuple[str, ...] = ()
    sha256: dict[str, str] = field(default_factory=dict)
    licence: str
    size_bytes: int
    family: Literal["", "turbo", "base", "sft"] = ""
    steps_max: int = 0
    shift: float | None = None
    tasks: tuple[str, ...] = ()

    @property
    def is_built_here(self) -> bool:
        """Whether the checkpoint is made on first use instead of downloaded."""
        return self.repo is None and self.local is None

    def wants(self, path: str) -> bool:
        """Whether a file belongs to the checkpoint; `path` is inside the model's folder."""
        parts = path.split("/")
        return any(
            len(parts) == len(pattern.split("/")) and all(map(fnmatchcase, parts, pattern.split("/")))
            for pattern in _PATTERNS[self.layout]
        )
