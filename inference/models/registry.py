"""The table of models: which there are, where their files belong, whether they are on this machine."""

import tomllib
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import msgspec

from inference.errors import ModelLoadError, ModelNotAvailable
from inference.models import record
from inference.models.own import OWN_MODELS, own_models
from inference.models.record import COMPLETE_MARKER
from inference.models.spec import ModelSpec

__all__ = [
    "COMPLETE_MARKER",
    "TINY",
    "ModelSpec",
    "find",
    "folder",
    "is_on_disk",
    "known",
    "missing",
    "require",
]

TINY = "acestep-tiny-random"


def known(models_dir: Path | None = None) -> tuple[ModelSpec, ...]:
    """Return every entry in the order of the table, then those of the operator.

    Raises:
        ModelNotAvailable: an entry of the operator cannot be used; the message names it.
    """
    table = tomllib.loads(files(__package__).joinpath("registry.toml").read_text(encoding="utf-8"))
    ours = tuple(msgspec.convert({"name": name, **entry}, ModelSpec) for name, entry in table.items())
    return ours if models_dir is None else ours + own_models(models_dir, taken=table)


def find(name: str, models_dir: Path | None = None) -> ModelSpec:
    """Return the entry of that name.

    Raises:
        ModelNotAvailable: neither our table nor the operator's knows it.
    """
    entries = {spec.name: spec for spec in known(models_dir)}
    if name not in entries:
        names = ", ".join(spec.name for spec in entries.values() if spec.kind != "part")
        raise ModelNotAvailable(f"model {name!r} is not known; known models: {names}")
    return entries[name]


def folder(spec: ModelSpec, models_dir: Path) -> Path:
    """Return where the files of the model belong, whether or not they are there."""
    return spec.local or models_dir / spec.name


def part_folders(spec: ModelSpec, models_dir: Path) -> list[Path]:
    """Return the folders of the parts, which lie beside the model's own."""
    return [folder(spec, models_dir).parent / part for part in spec.shared]


def is_on_disk(spec: ModelSpec, models_dir: Path) -> bool:
    """Whether all files of the model and its parts are there, in the revision of the table."""
    if spec.local is not None:
        needed = "model_index.json" if spec.layout == "diffusers" else "config.json"
        return all((place / needed).is_file() for place in [spec.local, *part_folders(spec, models_dir)])
    return not missing([spec], models_dir)


def missing(specs: Iterable[ModelSpec], models_dir: Path) -> list[ModelSpec]:
    """Return the models and parts that a download would have to bring, each once."""
    specs = list(specs)
    parts = [find(part) for spec in specs if spec.local is None for part in spec.shared]
    wanted = {spec.name: spec for spec in [*specs, *parts] if spec.repo is not None}
    return [spec for spec in wanted.values() if not _is_complete(spec, models_dir)]


def require(name: str, models_dir: Path) -> ModelSpec:
    """Return the entry of a model that can be loaded now, or be built now.

    Raises:
        ModelNotAvailable: unknown, or its files are not there; the message says what to do.
        ModelLoadError: a file was changed or removed since the download.
    """
    spec = find(name, models_dir)
    if spec.is_built_here:
        return spec
    if not is_on_disk(spec, models_dir):
        if spec.local is not None:
            raise ModelNotAvailable(f"the files of {name} are not in the folder that {OWN_MODELS} names")
        raise ModelNotAvailable(
            f"the weights of {name} are not on this machine; "
            f"bring them with: acestep-service models download {name}"
        )
    for place in [folder(spec, models_dir), *part_folders(spec, models_dir)]:
        kept = record.read(place)
        if kept is not None and (names := record.changed(place, kept)):
            raise ModelLoadError(
                f"{names[0]} of {place.name} is not as it was downloaded; "
                f"remove the folder and run: acestep-service models download {name}"
            )
    return spec


def _is_complete(spec: ModelSpec, models_dir: Path) -> bool:
    """Whether the marker, which is written last, is there, and not one of another pinned revision."""
    place = folder(spec, models_dir)
    kept = record.read(place)
    if kept is None or kept.revision is None or spec.revision is None:
        return (place / COMPLETE_MARKER).is_file()
    return kept.revision == spec.revision
