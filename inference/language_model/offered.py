"""The language models that an engine offers, of which one at a time is in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from inference.errors import LMNotAvailable
from inference.language import LanguageOptions
from inference.language_model.backend import OnTokens, ShouldCancel
from inference.language_model.block import DURATION_RANGE_S
from inference.language_model.model import LanguageModel
from inference.language_model.steps import SHORT_BUDGETS, Budgets, Steps
from inference.models.record import known_hashes
from inference.models.registry import ModelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A language model in memory, and what it was made from."""

    spec: ModelSpec
    model: LanguageModel
    file_hashes: dict[str, str]


class OfferedModels:
    """Loads the language model that a job asks for."""

    def __init__(
        self,
        names: Sequence[str],
        *,
        locate: Callable[[str], tuple[ModelSpec, Path]],
        device: torch.device,
        offload: bool = False,
        max_duration_s: int = DURATION_RANGE_S[1],
    ) -> None:
        """Keep what loading needs.

        Args:
            names: of the registry; the first is the default.
            locate: returns a model's entry and the folder with its files.
            offload: keep weights in main memory between jobs.
        """
        self._names = tuple(names)
        self._locate = locate
        self._device = device
        self._offload = offload
        self._max_duration_s = max_duration_s
        self.loaded: Loaded | None = None

    def open(self, options: LanguageOptions, on_codes: OnTokens, should_cancel: ShouldCancel) -> Steps:
        """Make the model of a job ready.

        Raises:
            LMNotAvailable: none is offered.
            ModelNotAvailable, ModelLoadError: the files are missing or broken.
        """
        loaded = self.load(options.model)
        return Steps(
            loaded.model,
            options,
            budgets=SHORT_BUDGETS if loaded.spec.is_built_here else Budgets(),
            max_duration_s=self._max_duration_s,
            on_codes=on_codes,
            should_cancel=should_cancel,
        )

    def load(self, name: str = "") -> Loaded:
        """Return the model of that name, or the default one for a name that is not offered."""
        if not self._names:
            raise LMNotAvailable
        spec, folder = self._locate(name if name in self._names else self._names[0])
        if self.loaded is None or self.loaded.spec.name != spec.name:
            self.close()
            model = LanguageModel(folder, device=self._device, offload=self._offload)
            self.loaded = Loaded(spec=spec, model=model, file_hashes=known_hashes(folder))
        return self.loaded

    def rest(self) -> None:
        """The language model's part of a job is over."""
        if self.loaded is not None:
            self.loaded.model.rest()

    def close(self) -> None:
        """Drop the model in memory."""
        if self.loaded is not None:
            self.loaded.model.close()
            self.loaded = None
