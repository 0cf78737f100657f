"""The default engine: the language model plans a job, the diffusion model makes its sound."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from inference.audio.wave import Computed
from inference.device import choose_device
from inference.diffusion.engine import DiffusionEngine
from inference.language import LanguageRecord, PromptRequest, PromptResult
from inference.language_model.offered import OfferedModels
from inference.language_model.planner import plan
from inference.language_model.rewrite import rewrite
from inference.models.registry import ModelSpec
from inference.request import EngineOptions, GenerationRequest, ModelInfo, OnProgress, ShouldCancel

LANGUAGE_MODEL = "lm"
"""Category of the language models among the models of an engine."""


class MusicEngine:
    """See `inference.engine.Engine`."""

    def __init__(self, options: EngineOptions, *, locate: Callable[[str], tuple[ModelSpec, Path]]) -> None:
        self._max_duration_s = options.max_duration_s
        self._diffusion = DiffusionEngine(options, locate=locate)
        self._language_models = OfferedModels(
            options.language_models,
            locate=locate,
            device=choose_device(options.lm_device or options.device),
            offload=options.lm_offload,
            max_duration_s=options.max_duration_s,
        )
        self._offered = tuple(locate(name)[0] for name in options.language_models)

    def models(self) -> tuple[ModelInfo, ...]:
        """Describe the offered models of both kinds."""
        language = (
            ModelInfo(name=spec.name, category=LANGUAGE_MODEL, tasks=(), revision=spec.revision)
            for spec in self._offered
        )
        return (*self._diffusion.models(), *language)

    def load(self, model: str) -> None:
        """Load a model of either kind."""
        if any(spec.name == model for spec in self._offered):
            self._language_models.load(model)
        else:
            self._diffusion.load(model)

    def loaded(self) -> tuple[str, ...]:
        """Names of the models of both kinds in memory."""
        language = self._language_models.loaded
        return (*self._diffusion.loaded(), *((language.spec.name,) if language else ()))

    def compute(
        self, request: GenerationRequest, on_progress: OnProgress, should_cancel: ShouldCancel
    ) -> Computed:
        """Plan one request and generate its samples.

        Raises:
            LMNotAvailable, LMOutputInvalid: the request needs a language model.
            EngineError: as `DiffusionEngine.compute`.
        """
        on_progress("loading", 0, 1)
        self._diffusion.load(request.model)
        begun = time.perf_counter()
        try:
            planned = plan(
                request,
                self._language_models.open,
                on_progress,
                should_cancel,
                max_duration_s=self._max_duration_s,
            )
        finally:
            self._language_models.rest()
        seconds = {"lm": round(time.perf_counter() - begun, 4)} if planned.record.phases else {}
        computed = self._diffusion.compute(planned.request, without_loading(on_progress), should_cancel)
        return replace(
            computed,
            song=planned.song,
            language=self._identified(planned.record),
            seconds=seconds | computed.seconds,
        )

    def format_prompt(self, request: PromptRequest, should_cancel: ShouldCancel) -> PromptResult:
        """Improve a text; see `inference.engine.Engine`."""
        try:
            result = rewrite(request, self._language_models.open, should_cancel)
        finally:
            self._language_models.rest()
        return replace(result, record=self._identified(result.record))

    def close(self) -> None:
        """Drop every model."""
        self._language_models.close()
        self._diffusion.close()

    def _identified(self, record: LanguageRecord) -> LanguageRecord:
        """Say which model it was, if one ran."""
        loaded = self._language_models.loaded
        if loaded is None or not record.phases:
            return record
        return replace(
            record, model=loaded.spec.name, revision=loaded.spec.revision, files=loaded.file_hashes
        )


def without_loading(on_progress: OnProgress) -> OnProgress:
    """Leave out the stage that has been told already, so that a poller never sees an earlier one."""

    def report(stage: str, done: int, total: int) -> None:
        if stage != "loading":
            on_progress(stage, done, total)

    return report
