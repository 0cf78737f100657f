"""What the engine costs beside the bare library pipeline: `python -m tests.bench.overhead`.

One text2music request on the tiny checkpoint, from the texts to the samples, in one process with the same
settings: the engine and diffusers' own pipeline take turns, and the ratio of each round is taken. No files
are written, since the bare pipeline writes none.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch

from inference import tiny
from inference.engine import Engine, make_engine
from inference.request import EngineOptions, GenerationRequest, ItemSpec
from tests.bench import bare
from tests.bench.bare import Samples
from tests.builders import MODEL

DURATION_S = 60.0
ROUNDS = 7
ITEM = ItemSpec(prompt="calm piano in the rain", lyrics="[verse]\nwalking home", seed=42)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Seconds of one run: of the wall clock, and of all CPU cores."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """Rounds of both, and the largest difference of their samples: they do the same."""

    engine: tuple[Spent, ...]
    bare: tuple[Spent, ...]
    difference: float

    @property
    def wall_ratio(self) -> float:
        """Median over the rounds."""
        return median(a.wall_s / b.wall_s for a, b in zip(self.engine, self.bare, strict=True))

    @property
    def cpu_ratio(self) -> float:
        """The same of CPU time, which other processes disturb less."""
        return median(a.cpu_s / b.cpu_s for a, b in zip(self.engine, self.bare, strict=True))


def measure(models_dir: Path, *, duration_s: float, rounds: int) -> Overhead:
    """Run both in turns, after one run of each that is not counted."""
    engine = make_engine("", EngineOptions(models=(MODEL,), models_dir=str(models_dir), device="cpu"))
    pipeline = bare.load(tiny.build(models_dir / MODEL), device=torch.device("cpu"), dtype=torch.float32)
    request = GenerationRequest(
        model=MODEL, items=(ITEM,), duration=duration_s, steps=8, shift=3.0, scratch_dir="/unused"
    )
    runs: tuple[Callable[[], Samples], ...] = (
        lambda: _engine(engine, request),
        lambda: bare.run(pipeline, request)[0],
    )
    ours, theirs = (run() for run in runs)
    spent: tuple[list[Spent], list[Spent]] = ([], [])
    for number in range(rounds):
        for which in (0, 1) if number % 2 else (1, 0):
            spent[which].append(_time(runs[which]))
    return Overhead(
        engine=tuple(spent[0]), bare=tuple(spent[1]), difference=float(np.abs(ours - theirs).max())
    )


def _time(run: Callable[[], Samples]) -> Spent:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    run()
    return Spent(wall_s=time.perf_counter() - wall_s, cpu_s=time.process_time() - cpu_s)


def _engine(engine: Engine, request: GenerationRequest) -> Samples:
    return engine.compute(request, lambda stage, done, total: None, lambda: False).waves[0].samples


def main() -> None:
    """Print the numbers of one run."""
    with tempfile.TemporaryDirectory(prefix="acestep-bench-") as name:
        measured = measure(Path(name), duration_s=DURATION_S, rounds=ROUNDS)
    print(
        f"{DURATION_S:.0f} s clip, {ROUNDS} rounds: "
        f"engine {median(run.wall_s for run in measured.engine):.2f} s, "
        f"bare pipeline {median(run.wall_s for run in measured.bare):.2f} s\n"
        f"engine / bare by the wall clock {measured.wall_ratio:.3f} (aim 1.03), "
        f"by CPU time {measured.cpu_ratio:.3f}; "
        f"largest difference of the samples {measured.difference:.1e}"
    )


if __name__ == "__main__":
    main()
