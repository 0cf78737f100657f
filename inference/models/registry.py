"""The table of models: where each comes from, what it can do, whether it is on this machine."""

import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Literal

import msgspec

from inference.errors import ModelNotAvailable

TINY = "acestep-tiny-random"
COMPLETE_MARKER = ".complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One entry of the registry.

    Attributes:
        kind: a part belongs to other models and is never asked for by itself.
        repo, revision, subfolder: place on the hub; no repo = built by this package,
            no revision = pinned when it is downloaded for the first time.
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
        return self.repo is None


def known() -> tuple[ModelSpec, ...]:
    """Return every entry, in the order of the table."""
    table = tomllib.loads(files(__package__).joinpath("registry.toml").read_text(encoding="utf-8"))
    return tuple(msgspec.convert({"name": name, **entry}, ModelSpec) for name, entry in table.items())


def find(name: str) -> ModelSpec:
    """Return the entry of that name.

    Raises:
        ModelNotAvailable: the registry does not know it.
    """
    entries = {spec.name: spec for spec in known()}
    if name not in entries:
        names = ", ".join(spec.name for spec in entries.values() if spec.kind != "part")
        raise ModelNotAvailable(f"model {name!r} is not known; known models: {names}")
    return entries[name]


def folder(spec: ModelSpec, models_dir: Path) -> Path:
    """Return where the files of the model belong, whether or not they are there."""
    return models_dir / spec.name


def is_on_disk(spec: ModelSpec, models_dir: Path) -> bool:
    """Whether all files of the model and its parts are there; the marker is written last."""
    places = [folder(spec, models_dir), *(models_dir / part for part in spec.shared)]
    return all((place / COMPLETE_MARKER).is_file() for place in places)


def require(name: str, models_dir: Path) -> ModelSpec:
    """Return the entry of a model that can be loaded now, or be built now.

    Raises:
        ModelNotAvailable: unknown, or its files are not there; the message says what to do.
    """
    spec = find(name)
    if spec.is_built_here:
        return spec
    if not is_on_disk(spec, models_dir):
        raise ModelNotAvailable(
            f"weights of {spec.name} are not on this machine, and this release cannot download them yet; "
            f"use {TINY}"
        )
    if spec.layout == "original":
        raise ModelNotAvailable(
            f"weights of {spec.name} are in the original layout, which this release cannot load yet; "
            f"use {TINY}"
        )
    return spec
