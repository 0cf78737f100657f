"""An engine of controllable timing for tests of slots, workers and faults; started by its dotted name.

It obeys the words of the first item's prompt:
    text=0.02   seconds of the stage encoding (default 0)
    sleep=0.5   seconds of the stage diffusing (default 0), spread over its steps
    vae=0.1     seconds of the stage decoding (default 0)
    steps=5     number of steps (default 4), with a look at the cancel flag after each
    clip=2.5    seconds of the clips, instead of what the request says
    short     the last clip is missing
    crash, segfault, hang, fail, oom, device   what happens in the middle of the steps
    once        the fault above happens only the first time for the seed of that item
    fits=2      more items at once than this are out of memory
    stale       out of memory in a process that was asked for anything before
Its clips are real: one tone for each seed.
"""

import ctypes
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock

import numpy as np

from inference.audio.wave import Computed, Wave, level
from inference.errors import Cancelled, DeviceError, NumericalError, OutOfMemory
from inference.halves import in_halves_if_needed
from inference.language import LanguageRecord, PromptRequest, PromptResult
from inference.request import (
    SAMPLE_RATE_HZ,
    EngineOptions,
    GenerationRequest,
    ItemSpec,
    ModelInfo,
    OnProgress,
    ShouldCancel,
)

PEAK_MEMORY_BYTES = 123_456_789
_FAULTS = ("crash", "segfault", "hang", "fail", "oom", "device")
_accelerator = Lock()


class StubEngine:
    """See the module; `models_dir` keeps the memory of `once`."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._loaded: tuple[str, ...] = ()
        self._requests = 0

    def models(self) -> tuple[ModelInfo, ...]:
        music = tuple(
            ModelInfo(name=name, category="turbo", tasks=("text2music", "cover", "repaint"))
            for name in self._options.models
        )
        language = tuple(
            ModelInfo(name=name, category="lm", tasks=()) for name in self._options.language_models
        )
        return (*music, *language)

    def load(self, model: str) -> None:
        """Takes no time; one model at a time."""
        self._loaded = (model,)

    def loaded(self) -> tuple[str, ...]:
        return self._loaded

    def close(self) -> None:
        """Nothing to close."""

    def compute(
        self, request: GenerationRequest, on_progress: OnProgress, should_cancel: ShouldCancel
    ) -> Computed:
        words = request.items[0].prompt.split()
        values = dict(word.split("=", 1) for word in words if "=" in word)
        self._requests += 1
        if "stale" in words and self._requests > 1:
            raise no_memory()

        def run(items: Sequence[ItemSpec]) -> tuple[Wave, ...]:
            if len(items) > int(values.get("fits", len(items))):
                raise no_memory()
            self._pretend(request, words, values, on_progress, should_cancel)
            decoded_at = time.monotonic() + float(values.get("vae", 0.0))
            clip_s = float(values.get("clip", request.duration or 1.0))
            waves = tuple(level(tone(item, clip_s), seed=item.seed) for item in items)
            sleep_until(decoded_at)
            return waves

        begun = time.monotonic()
        items = request.items[:-1] if "short" in words else request.items
        with _accelerator:
            parts = in_halves_if_needed(run, items, free_memory=lambda: None)
        return Computed(
            waves=tuple(wave for part in parts for wave in part),
            effective={"steps": _steps(values), "seeds": [item.seed for item in request.items]},
            audit={
                "model": request.model,
                "engine": "stub",
                "halved": len(parts) > 1,
                "accelerator": [begun, time.monotonic()],  # of this machine's monotonic clock
            },
            seconds={
                "encoding": float(values.get("text", 0.0)),
                "diffusing": float(values.get("sleep", 0.0)),
                "decoding": float(values.get("vae", 0.0)),
            },
            peak_memory_bytes=PEAK_MEMORY_BYTES,
        )

    def _pretend(
        self,
        request: GenerationRequest,
        words: list[str],
        values: dict[str, str],
        on_progress: OnProgress,
        should_cancel: ShouldCancel,
    ) -> None:
        """Take the time of each stage and misbehave as asked."""
        steps, step_s = _steps(values), float(values.get("sleep", 0.0)) / _steps(values)
        on_progress("encoding", 0, 1)
        encoded_at = time.monotonic() + float(values.get("text", 0.0))
        sleep_until(encoded_at)
        for step in range(steps):
            sleep_until(encoded_at + (step + 1) * step_s)
            if step == steps // 2:
                self._misbehave(words, request.items[0].seed)
            on_progress("diffusing", step + 1, steps)
            if should_cancel():
                raise Cancelled("cancelled")
        on_progress("decoding", 0, 1)

    def format_prompt(self, request: PromptRequest, should_cancel: ShouldCancel) -> PromptResult:
        """Shout the caption; the words of the module work here too."""
        values = dict(word.split("=", 1) for word in request.song.caption.split() if "=" in word)
        time.sleep(float(values.get("sleep", 0.0)))
        self._misbehave(request.song.caption.split(), request.options.seed)
        if should_cancel():
            raise Cancelled("cancelled")
        return PromptResult(
            song=replace(request.song, caption=request.song.caption.upper()),
            record=LanguageRecord(model=request.options.model, backend_used="stub"),
        )

    def _misbehave(self, words: list[str], seed: int) -> None:
        fault = next((word for word in words if word in _FAULTS), None)
        if fault is None or ("once" in words and not self._first_time(fault, seed)):
            return
        match fault:
            case "crash":
                os.kill(os.getpid(), signal.SIGKILL)
            case "segfault":
                ctypes.string_at(0)
            case "hang":
                time.sleep(3600.0)
            case "fail":
                raise NumericalError("the model produced samples that are not finite")
            case "oom":
                raise no_memory()
            case "device":
                raise DeviceError("the accelerator failed")

    def _first_time(self, fault: str, seed: int) -> bool:
        memory = Path(self._options.models_dir) / f"stub-{fault}-{seed}"
        known = memory.exists()
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.touch()
        return not known


class BrokenUntil(StubEngine):
    """A bad accelerator: every child dies of any request until the file `mended` is in `models_dir`."""

    def compute(
        self, request: GenerationRequest, on_progress: OnProgress, should_cancel: ShouldCancel
    ) -> Computed:
        if not (Path(self._options.models_dir) / "mended").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().compute(request, on_progress, should_cancel)


class WillNotStart(StubEngine):
    """No child starts until the file `mended` is in `models_dir`."""

    def __init__(self, options: EngineOptions) -> None:
        if not (Path(options.models_dir) / "mended").exists():
            raise DeviceError("there is no accelerator")
        super().__init__(options)


def no_memory() -> OutOfMemory:
    error = OutOfMemory("not enough memory on the device for this request")
    error.peak_memory_bytes = PEAK_MEMORY_BYTES
    return error


def sleep_until(moment: float) -> None:
    """Sleep until that time of the monotonic clock, so that the work in between costs no time of its own."""
    time.sleep(max(0.0, moment - time.monotonic()))


def _steps(values: dict[str, str]) -> int:
    return int(values.get("steps", 4))


def tone(item: ItemSpec, duration_s: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return (2, samples) float32 whose pitch tells the seed."""
    time_s = np.arange(round(duration_s * SAMPLE_RATE_HZ), dtype=np.float32) / SAMPLE_RATE_HZ
    wave = 0.5 * np.sin(2.0 * np.pi * (110.0 + item.seed % 880) * time_s)
    return np.stack([wave, wave]).astype(np.float32)
