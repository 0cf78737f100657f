"""The default engine: ACE-Step's diffusion transformer through diffusers."""

import gc
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from inference.audio.encode import check_format
from inference.audio.wave import Computed, read_clip
from inference.diffusion.audit import describe
from inference.diffusion.batch import run_batch
from inference.diffusion.loaded import LoadedModels
from inference.diffusion.placement import Machine, choose_placement
from inference.diffusion.plan import make_plan
from inference.errors import OutOfMemory
from inference.halves import in_halves_if_needed
from inference.models.registry import ModelSpec
from inference.request import (
    EngineOptions,
    GenerationRequest,
    ModelInfo,
    OnProgress,
    ShouldCancel,
)


class DiffusionEngine:
    """See `inference.engine.Engine`."""

    def __init__(self, options: EngineOptions, *, locate: Callable[[str], tuple[ModelSpec, Path]]) -> None:
        placement = choose_placement(options, Machine.look(options.device))
        self._device = placement.device
        self._models = LoadedModels(
            placement, limit=options.max_loaded, locate=locate, free_memory=self._free_memory
        )
        self._keep_source = options.keep_source
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        # Missing files are told at the start, not in the middle of a job.
        self._offered = tuple(locate(name)[0] for name in options.models)

    def models(self) -> tuple[ModelInfo, ...]:
        """Describe the offered models."""
        return tuple(
            ModelInfo(name=spec.name, category=spec.family, tasks=spec.tasks, revision=spec.revision)
            for spec in self._offered
        )

    def load(self, model: str) -> None:
        """Load a model; the least recently used one makes way.

        Raises:
            ModelNotAvailable: unknown, or not on this machine.
            ModelLoadError: its files are broken.
        """
        self._models.use(model)

    def loaded(self) -> tuple[str, ...]:
        """Names of the models in memory."""
        return self._models.names

    def compute(
        self, request: GenerationRequest, on_progress: OnProgress, should_cancel: ShouldCancel
    ) -> Computed:
        """Generate the samples of one request.

        Raises:
            InvalidRequest: the model cannot do this.
            AudioUnreadable: an input file is not a normalised one.
            Cancelled: asked to stop, between two steps or around the decoding.
            OutOfMemory: also with half of the items at a time.
            NumericalError, DeviceError: the run failed.
        """
        clock = StageClock(on_progress)
        clock("loading", 0, 1)
        loaded = self._models.use(request.model)
        plan = make_plan(
            request,
            loaded.spec,
            source=read_clip(request.source),
            reference=read_clip(request.reference),
            keep_source=self._keep_source,
        )
        check_format(request.audio_format)
        run = partial(
            run_batch,
            pipeline=loaded.pipeline,
            placement=loaded.placement,
            plan=plan,
            on_progress=clock,
            should_cancel=should_cancel,
        )
        self._forget_peak_memory()
        try:
            batches = in_halves_if_needed(run, plan.items, free_memory=self._free_memory)
        except OutOfMemory as error:
            error.peak_memory_bytes = self._peak_memory_bytes()
            raise
        record = describe(loaded.spec, loaded.file_hashes, loaded.placement)
        return Computed(
            waves=tuple(wave for batch in batches for wave in batch.waves),
            effective=plan.effective,
            audit=record
            | {
                "batches": [shape for batch in batches for shape in batch.shapes],
                # The memory was too small for all items at once.
                "halved": len(batches) > 1,
            },
            seconds=clock.stop(),
            peak_memory_bytes=self._peak_memory_bytes(),
        )

    def close(self) -> None:
        """Drop every model."""
        self._models.clear()

    def _free_memory(self) -> None:
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _forget_peak_memory(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)

    def _peak_memory_bytes(self) -> int | None:
        return torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else None


class StageClock:
    """Passes progress on and adds up the seconds of each stage; stands in for `OnProgress`."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._seconds: dict[str, float] = {}
        self._stage = ""
        self._since = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Note the stage and tell the caller."""
        if stage != self._stage:
            self.stop()
            self._stage, self._since = stage, time.perf_counter()
        self._on_progress(stage, done, total)

    def stop(self) -> dict[str, float]:
        """End the current stage and return seconds by stage."""
        if self._stage:
            spent = time.perf_counter() - self._since
            self._seconds[self._stage] = round(self._seconds.get(self._stage, 0.0) + spent, 4)
            self._stage = ""
        return self._seconds
