"""An engine of controllable timing for tests of slots, workers and faults; started by its dotted name.

It obeys the words of the first item's prompt:
    sleep=0.5   seconds of the diffusing stage (default 0), spread over its steps
    steps=5     number of steps (default 4), with a look at the cancel flag after each
    short     the last clip is missing
    crash, hang, fail, oom, device   what happens in the middle of the steps
    once        the fault above happens only the first time for the seed of that item
Its clips are real: one tone for each seed.
"""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from inference.audio.wave import Computed, level
from inference.errors import Cancelled, DeviceError, NumericalError, OutOfMemory
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


class StubEngine:
    """See the module; `models_dir` keeps the memory of `once`."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._loaded: tuple[str, ...] = ()

    def models(self) -> tuple[ModelInfo, ...]:
        return tuple(
            ModelInfo(name=name, category="turbo", tasks=("text2music", "cover", "repaint"))
            for name in self._options.models
        )

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
        steps, sleep_s = int(values.get("steps", 4)), float(values.get("sleep", 0.0))
        on_progress("encoding", 0, 1)
        for step in range(steps):
            time.sleep(sleep_s / steps)
            if step == steps // 2:
                self._misbehave(words, request.items[0].seed)
            on_progress("diffusing", step + 1, steps)
            if should_cancel():
                raise Cancelled("cancelled")
        on_progress("decoding", 0, 1)
        items = request.items[:-1] if "short" in words else request.items
        waves = tuple(level(tone(item, request.duration or 1.0), seed=item.seed) for item in items)
        return Computed(
            waves=waves,
            effective={"steps": steps, "seeds": [item.seed for item in request.items]},
            audit={"model": request.model, "engine": "stub"},
            seconds={"diffusing": sleep_s},
        )

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
        fault = next((word for word in words if word in ("crash", "hang", "fail", "oom", "device")), None)
        if fault is None or ("once" in words and not self._first_time(fault, seed)):
            return
        match fault:
            case "crash":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                time.sleep(3600.0)
            case "fail":
                raise NumericalError("the model produced samples that are not finite")
            case "oom":
                raise OutOfMemory("not enough memory on the device for this request")
            case "device":
                raise DeviceError("the accelerator failed")

    def _first_time(self, fault: str, seed: int) -> bool:
        memory = Path(self._options.models_dir) / f"stub-{fault}-{seed}"
        known = memory.exists()
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.touch()
        return not known


def tone(item: ItemSpec, duration_s: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return (2, samples) float32 whose pitch tells the seed."""
    time_s = np.arange(round(duration_s * SAMPLE_RATE_HZ), dtype=np.float32) / SAMPLE_RATE_HZ
    wave = 0.5 * np.sin(2.0 * np.pi * (110.0 + item.seed % 880) * time_s)
    return np.stack([wave, wave]).astype(np.float32)
