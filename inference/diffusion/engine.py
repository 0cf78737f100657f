"""The default engine: ACE-Step's diffusion transformer through diffusers."""

import gc
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from inference.audio.encode import check_format
from inference.audio.wave import Computed, Wave, level, read_clip
from inference.device import choose_device, device_errors
from inference.diffusion.audit import describe, hash_files
from inference.diffusion.pipeline import MAX_TOKENS, MusicPipeline
from inference.diffusion.plan import Plan, make_plan
from inference.errors import Cancelled, OutOfMemory
from inference.models.registry import ModelSpec
from inference.request import (
    EngineOptions,
    GenerationRequest,
    ItemSpec,
    ModelInfo,
    OnProgress,
    ShouldCancel,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Items that went through the model together, and the shapes they had there."""

    waves: tuple[Wave, ...]
    shapes: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    spec: ModelSpec
    pipeline: MusicPipeline
    file_hashes: dict[str, str]


class DiffusionEngine:
    """See `inference.engine.Engine`."""

    def __init__(self, options: EngineOptions, *, locate: Callable[[str], tuple[ModelSpec, Path]]) -> None:
        self._locate = locate
        self._device = choose_device(options.device)
        self._dtype = torch.bfloat16 if self._device.type == "cuda" else torch.float32
        self._max_loaded = options.max_loaded
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()
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
        if model in self._loaded:
            self._loaded.move_to_end(model)
            return
        spec, folder = self._locate(model)
        while len(self._loaded) >= self._max_loaded:
            self._loaded.popitem(last=False)
            self._free_memory()
        with device_errors():
            pipeline = MusicPipeline.load(folder, device=self._device, dtype=self._dtype)
        self._loaded[model] = _Loaded(spec=spec, pipeline=pipeline, file_hashes=hash_files(folder))

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
        self.load(request.model)
        loaded = self._loaded[request.model]
        plan = make_plan(
            request,
            loaded.spec,
            source=read_clip(request.source),
            reference=read_clip(request.reference),
        )
        check_format(request.audio_format)
        run = partial(
            self._run,
            pipeline=loaded.pipeline,
            plan=plan,
            on_progress=clock,
            should_cancel=should_cancel,
        )
        self._forget_peak_memory()
        batches = run_in_halves_if_needed(run, request.items, free_memory=self._free_memory)
        record = describe(loaded.spec, loaded.file_hashes, self._device, self._dtype)
        return Computed(
            waves=tuple(wave for batch in batches for wave in batch.waves),
            effective=plan.effective,
            audit=record | {"batches": [shape for batch in batches for shape in batch.shapes]},
            seconds=clock.stop(),
            peak_memory_bytes=self._peak_memory_bytes(),
        )

    def close(self) -> None:
        """Drop every model."""
        self._loaded.clear()
        self._free_memory()

    def _run(
        self,
        items: Sequence[ItemSpec],
        *,
        pipeline: MusicPipeline,
        plan: Plan,
        on_progress: OnProgress,
        should_cancel: ShouldCancel,
    ) -> Batch:
        with device_errors():
            denoised = pipeline.denoise(
                items,
                duration_s=plan.duration_s,
                sampling=plan.sampling,
                conditioning=plan.conditioning,
                on_progress=on_progress,
                should_cancel=should_cancel,
            )
            _stop_if_asked(should_cancel)
            on_progress("decoding", 0, 1)
            samples = pipeline.decode(denoised.latents).numpy()
        _stop_if_asked(should_cancel)
        on_progress("decoding", 1, 1)
        shape = {
            "rows": len(items),
            "latent_frames": denoised.latents.shape[1],
            "condition_tokens": denoised.condition_tokens,
            "prompt_and_lyrics_tokens": denoised.token_counts,
            "cut_at_tokens": MAX_TOKENS,
        }
        waves = tuple(
            level(plan.conditioning.finish(one), seed=item.seed)
            for one, item in zip(samples, items, strict=True)
        )
        return Batch(waves=waves, shapes=(shape,))

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


def run_in_halves_if_needed(
    run: Callable[[Sequence[ItemSpec]], Batch], items: Sequence[ItemSpec], *, free_memory: Callable[[], None]
) -> list[Batch]:
    """Run all items at once; if the memory is too small, once more in two halves (items are independent).

    Raises:
        OutOfMemory: for a single item or for a half.
    """
    try:
        return [run(items)]
    except OutOfMemory:
        if len(items) == 1:
            raise
    # Outside the handler: the error holds the frames of the failed run and with them its tensors.
    free_memory()
    half = len(items) // 2
    return [run(items[:half]), run(items[half:])]


def _stop_if_asked(should_cancel: ShouldCancel) -> None:
    if should_cancel():
        raise Cancelled("cancelled")
