"""The models in memory: as many as may be, the least recently used one makes way."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from inference.device import device_errors
from inference.diffusion.pipeline import MusicPipeline
from inference.diffusion.placement import Placement
from inference.models.record import known_hashes
from inference.models.registry import ModelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One model in memory; `placement` is the one that came about."""

    spec: ModelSpec
    pipeline: MusicPipeline
    placement: Placement
    file_hashes: dict[str, str]


class LoadedModels:
    """Loads models when they are used first."""

    def __init__(
        self,
        placement: Placement,
        *,
        limit: int,
        locate: Callable[[str], tuple[ModelSpec, Path]],
        free_memory: Callable[[], None],
    ) -> None:
        self._placement = placement
        self._limit = limit
        self._locate = locate
        self._free_memory = free_memory
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()

    @property
    def names(self) -> tuple[str, ...]:
        """The models in memory, the most recently used last."""
        return tuple(self._loaded)

    def use(self, name: str) -> Loaded:
        """Return a model, loaded if it was not.

        Raises:
            ModelNotAvailable: unknown, or not on this machine.
            ModelLoadError: its files are broken.
            OutOfMemory, DeviceError: it could not be brought to the device.
        """
        if name not in self._loaded:
            spec, folder = self._locate(name)
            while len(self._loaded) >= self._limit:
                self._loaded.popitem(last=False)
                self._free_memory()
            self._loaded[name] = self._load(spec, folder)
        self._loaded.move_to_end(name)
        return self._loaded[name]

    def clear(self) -> None:
        """Drop every model."""
        self._loaded.clear()
        self._free_memory()

    def _load(self, spec: ModelSpec, folder: Path) -> Loaded:
        with device_errors():
            pipeline = MusicPipeline.load(folder, device=torch.device("cpu"), dtype=self._placement.dtype)
            placement = self._placement.apply(pipeline)
        hashes = known_hashes(folder, [folder.parent / part for part in spec.shared])
        return Loaded(spec=spec, pipeline=pipeline, placement=placement, file_hashes=hashes)
