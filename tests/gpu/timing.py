"""Times the diffusion engine at true size with random weights: `python -m tests.gpu.timing --out gpu.json`.

For every length, batch and mode: seconds of a request and of its parts, audio-seconds per second on the
accelerator, memory peak, and the bare library pipeline in turn with the engine. `--tiny` runs the tiny model.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import torch

from inference import tiny
from inference.audio.encode import encode
from inference.audio.wave import Computed
from inference.device import choose_device
from inference.diffusion.audit import library_versions
from inference.diffusion.engine import DiffusionEngine
from inference.errors import OutOfMemory
from inference.request import EngineOptions, GenerationRequest, ItemSpec
from tests.bench import bare
from tests.gpu import checkpoint

STEPS = 8
WARM_UP = 2
COLUMNS = (
    *("mode", "clip s", "batch", "s", "audio-s/s", "texts", "transformer", "VAE"),
    *("mp3 core-s", "engine/bare", "peak GB"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One cell of the matrix; seconds are medians, None where the memory was too small or it was not run.

    Attributes:
        encoding_s, diffusing_s, decoding_s: texts, transformer, VAE; the accelerator is waited for at each
            border, the first step counts as a step.
        mp3_s: CPU time of one core for one clip.
        halved: the batch ran in two halves.
    """

    mode: str
    duration_s: float
    batch: int
    seconds: float | None = None
    encoding_s: float | None = None
    diffusing_s: float | None = None
    decoding_s: float | None = None
    mp3_s: float | None = None
    bare_s: float | None = None
    peak_memory_bytes: int | None = None
    halved: bool = False

    @property
    def audio_per_second(self) -> float | None:
        """Seconds of audio for one second on the accelerator."""
        return self.duration_s * self.batch / self.seconds if self.seconds else None


class Marks:
    """Stands in for `OnProgress`: the time of every report, once the accelerator has caught up with it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._begun = self._now()
        self._at: dict[tuple[str, int], float] = {}

    def __call__(self, stage: str, done: int, _total: int) -> None:
        self._at[stage, done] = self._now() - self._begun

    def parts_s(self, seconds: float) -> tuple[float, float, float]:
        """Split the seconds of a run into texts, transformer and VAE; steps are told when they are done."""
        first, last = self._at["diffusing", 1], self._at["diffusing", STEPS]
        diffusing_s = (last - first) * STEPS / (STEPS - 1)
        return last - diffusing_s, diffusing_s, seconds - last

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()


class Bench:
    """Engine and bare pipeline on one checkpoint."""

    def __init__(self, folder: Path, *, device: torch.device, compiled: bool, with_bare: bool) -> None:
        self._device = device
        self._mode = "compiled" if compiled else "eager"
        options = EngineOptions(
            models=(checkpoint.SPEC.name,),
            models_dir=str(folder.parent),
            device=str(device),
            offload=False,
            compile_model=compiled,
        )
        self._engine = DiffusionEngine(options, locate=lambda _: (checkpoint.SPEC, folder))
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        self._bare = bare.load(folder, device=device, dtype=dtype) if with_bare else None

    def cell(self, duration_s: float, batch: int, *, runs: int, scratch: Path) -> Row:
        """Measure one length and batch."""
        request = GenerationRequest(
            model=checkpoint.SPEC.name,
            items=tuple(
                ItemSpec(prompt="calm piano in the rain", lyrics="[verse]\nwalking home", seed=seed)
                for seed in range(batch)
            ),
            duration=duration_s,
            steps=STEPS,
            scratch_dir=str(scratch),
        )
        row = Row(mode=self._mode, duration_s=duration_s, batch=batch)
        try:
            return self._measure(request, row, runs)
        except OutOfMemory:
            return row

    def _measure(self, request: GenerationRequest, row: Row, runs: int) -> Row:
        taken: list[tuple[float, tuple[float, float, float]]] = []
        bare_s: list[float] = []
        for number in range(-WARM_UP, runs):
            marks = Marks(self._device)
            computed, seconds = self._time(
                lambda marks=marks: self._engine.compute(request, marks, lambda: False)  # type: ignore[misc]
            )
            if number >= 0:
                taken.append((seconds, marks.parts_s(seconds)))
            if self._bare is not None:
                _, seconds = self._time(lambda: bare.run(self._bare, request))
                bare_s += [seconds] if number >= 0 else []
        texts, steps, decoding = zip(*(parts for _, parts in taken), strict=True)
        return Row(
            mode=row.mode,
            duration_s=row.duration_s,
            batch=row.batch,
            seconds=median(seconds for seconds, _ in taken),
            encoding_s=median(texts),
            diffusing_s=median(steps),
            decoding_s=median(decoding),
            mp3_s=_mp3_s(computed, Path(request.scratch_dir)),
            bare_s=median(bare_s) if bare_s else None,
            peak_memory_bytes=computed.peak_memory_bytes,
            halved=computed.audit["halved"],
        )

    def _time(self, run: Callable[[], Any]) -> tuple[Any, float]:
        begun = time.perf_counter()
        result = run()  # both end with samples on the CPU, so that the accelerator is done
        return result, time.perf_counter() - begun


def _mp3_s(computed: Computed, scratch: Path) -> float:
    begun = time.thread_time()
    encode(computed.waves[0], index=0, audio_format="mp3", scratch_dir=scratch)
    return time.thread_time() - begun


def measure(options: argparse.Namespace) -> list[Row]:
    """Build the checkpoint and measure the matrix."""
    device = choose_device(options.device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    with tempfile.TemporaryDirectory(prefix="acestep-gpu-", dir=options.folder) as name:
        folder = Path(name) / checkpoint.SPEC.name
        if options.tiny:
            tiny.build(folder)
        else:
            checkpoint.save(folder, device=device, dtype=dtype)
        rows: list[Row] = []
        for mode in options.modes:
            bench = Bench(folder, device=device, compiled=mode == "compiled", with_bare=mode == "eager")
            for duration_s in options.durations:
                for batch in options.batches:
                    rows.append(bench.cell(duration_s, batch, runs=options.runs, scratch=Path(name)))
                    print(table(rows[-1:]).splitlines()[-1], flush=True)
            del bench
        return rows


def table(rows: Sequence[Row]) -> str:
    """Write the rows as a Markdown table."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    for row in rows:
        shares = [
            None if part is None or row.seconds is None else f"{100 * part / row.seconds:.0f} %"
            for part in (row.encoding_s, row.diffusing_s, row.decoding_s)
        ]
        ratio = row.seconds / row.bare_s if row.seconds and row.bare_s else None
        peak_gb = row.peak_memory_bytes / 1e9 if row.peak_memory_bytes else None
        cells = [
            row.mode,
            f"{row.duration_s:g}",
            f"{row.batch}{' in halves' if row.halved else ''}",
            _number(row.seconds, 3) if row.seconds else "out of memory",
            _number(row.audio_per_second, 0),
            *(share or "" for share in shares),
            _number(row.mp3_s, 2),
            _number(ratio, 3),
            _number(peak_gb, 1),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--folder", type=Path, help="place for 7 GB of weights; default: the system's temporary folder"
    )
    parser.add_argument("--durations", type=float, nargs="+", default=[60.0, 240.0], metavar="SECONDS")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--modes", nargs="+", choices=("eager", "compiled"), default=["eager", "compiled"])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="the tiny model, to try the script itself")
    options = parser.parse_args(arguments)
    rows = measure(options)
    device = choose_device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    report = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": name,
        "model": "tiny" if options.tiny else checkpoint.SPEC.name,
        "steps": STEPS,
        "runs": options.runs,
        "versions": library_versions(),
        "rows": [asdict(row) for row in rows],
    }
    options.out.write_text(json.dumps(report, indent=2) + "\n")
    print(f"\n{report['model']} on {name}, {STEPS} steps, median of {options.runs}\n\n{table(rows)}")


if __name__ == "__main__":
    main()
