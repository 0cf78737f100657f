"""Models of the operator: entries of `models.toml` in the models folder, in the form of our own table."""

import re
import tomllib
from collections.abc import Container
from pathlib import Path
from typing import Any

import msgspec

from inference.errors import ModelNotAvailable
from inference.models.spec import ModelSpec

OWN_MODELS = "models.toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FAMILY_TASKS = {
    "turbo": ("text2music", "cover", "repaint"),
    "sft": ("text2music", "cover", "repaint"),
    "base": ("text2music", "cover", "repaint", "lego", "extract", "complete"),
}
_PARTS = ("vae", "Qwen3-Embedding-0.6B")


def own_models(models_dir: Path, *, taken: Container[str]) -> tuple[ModelSpec, ...]:
    """Return the entries of the operator's file, none if there is no file.

    Raises:
        ModelNotAvailable: an entry cannot be used; the message names it.
    """
    place = models_dir / OWN_MODELS
    if not place.is_file():
        return ()
    try:
        entries = tomllib.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelNotAvailable(f"{OWN_MODELS} cannot be read: {error}") from None
    return tuple(_entry(name, given, taken) for name, given in entries.items())


def _entry(name: str, given: Any, taken: Container[str]) -> ModelSpec:
    try:
        if name in taken or not _NAME.fullmatch(name):
            raise ValueError(
                "its name is taken" if name in taken else "a name has letters, digits, . _ and -"
            )
        if ("folder" in given) == ("repo" in given):
            raise ValueError("it needs either a folder or a repo")
        return msgspec.convert(_completed(name, given), ModelSpec, dec_hook=lambda kind, value: kind(value))
    except KeyError as error:
        raise ModelNotAvailable(f"{OWN_MODELS}, entry {name}: {error} is missing or unknown") from None
    except (ValueError, TypeError) as error:
        raise ModelNotAvailable(f"{OWN_MODELS}, entry {name}: {error}") from None


def _completed(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Add what the folder and the family tell."""
    entry = {"kind": "diffusion", "licence": "not stated", "size_bytes": 0, **given, "name": name}
    if "folder" in entry:
        local = Path(entry.pop("folder")).expanduser()
        entry |= {"local": str(local), "layout": entry.get("layout") or _layout_of(local, entry["kind"])}
    if entry["kind"] == "diffusion":
        entry.setdefault("tasks", _FAMILY_TASKS[entry["family"]])
        entry.setdefault("steps_max", 20 if entry["family"] == "turbo" else 200)
    if entry["layout"] == "original":
        entry.setdefault("shared", _PARTS)
    return entry


def _layout_of(local: Path, kind: str) -> str:
    if kind == "language":
        return "plain"
    return "diffusers" if (local / "model_index.json").is_file() else "original"
