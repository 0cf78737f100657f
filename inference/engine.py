"""What every engine can do, and the choice of one; importing this never imports a model library."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from inference.audio.wave import Computed
from inference.errors import ModelNotAvailable
from inference.language import PromptRequest, PromptResult
from inference.models import record, registry
from inference.models.registry import ModelSpec
from inference.request import EngineOptions, GenerationRequest, ModelInfo, OnProgress, ShouldCancel


class Engine(Protocol):
    """Turns requests into finished samples, one call at a time, all calls from one thread.

    Every error is an `EngineError`; after any but DeviceError the next call works.
    """

    def models(self) -> tuple[ModelInfo, ...]:
        """Describe what this engine offers."""

    def load(self, model: str) -> None:
        """Bring a model into memory, if it is not there yet; others may have to make way."""

    def loaded(self) -> tuple[str, ...]:
        """Name the models in memory now."""

    def compute(
        self, request: GenerationRequest, on_progress: OnProgress, should_cancel: ShouldCancel
    ) -> Computed:
        """Generate the samples of one request; writing files is not its business."""

    def format_prompt(self, request: PromptRequest, should_cancel: ShouldCancel) -> PromptResult:
        """Improve a text with a language model.

        Raises:
            LMNotAvailable: this engine has none.
        """

    def close(self) -> None:
        """Give the memory back; the engine is not used again."""


def make_engine(name: str, options: EngineOptions) -> Engine:
    """Build the engine of that dotted name (`package.module.Class`); an empty name is our own one.

    Imports only what was chosen. A named class takes the options as its only argument.

    Raises:
        ModelNotAvailable: an offered model is unknown or of the other kind, or its files are not on this
            machine.
    """
    if name:
        module, _, attribute = name.rpartition(".")
        return cast(Engine, getattr(import_module(module), attribute)(options))
    models_dir = Path(options.models_dir)
    for kind, models in (("diffusion", options.models), ("language", options.language_models)):
        for model in models:  # before the seconds that importing torch takes
            if registry.require(model, models_dir).kind != kind:
                raise ModelNotAvailable(f"{model} is not a {kind} model")
    from inference.music import MusicEngine

    return MusicEngine(options, locate=lambda model: locate(model, models_dir))


def locate(model: str, models_dir: Path) -> tuple[ModelSpec, Path]:
    """Return a model's entry and the folder with its files, which are built first if we make them ourselves.

    The revision is that of the files where it is known.

    Raises:
        ModelNotAvailable: unknown, or its files are not on this machine.
        ModelLoadError: a file was changed since the download.
    """
    spec = registry.require(model, models_dir)
    folder = registry.folder(spec, models_dir)
    if kept := record.read(folder):
        spec = replace(spec, revision=kept.revision)
    if spec.is_built_here:
        from inference import tiny

        if spec.kind == "language":
            tiny.build_language_model(folder)
        else:
            tiny.build(folder, variant="turbo" if spec.family == "turbo" else "base")
    return spec, folder
