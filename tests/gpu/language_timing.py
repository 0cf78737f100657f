"""Times the language model at true size: `python -m tests.gpu.language_timing --out lm.json`.

With random weights: audio codes with guidance on `pt`, for each number of clips; then the share of the
language model in a job with `thinking`. `--tiny` runs the tiny models.
"""

import argparse
import json
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from inference import tiny
from inference.device import choose_device
from inference.diffusion.audit import library_versions
from inference.language import LanguageOptions, Planning
from inference.language_model import prompts
from inference.language_model.backend import LMRequest, Sampling
from inference.language_model.pt import MAX_ROWS, PtBackend
from inference.language_model.tokens import Tokens
from inference.models.spec import ModelSpec
from inference.music import MusicEngine
from inference.request import EngineOptions, GenerationRequest, ItemSpec
from tests.gpu import checkpoint, language_checkpoint

BLOCK = {"bpm": 96, "duration": 60, "keyscale": "A minor", "language": "en", "timesignature": "4"}
CAPTION, LYRICS = "calm piano in the rain", "[verse]\nwalking home"
SAMPLING = Sampling(cfg_scale=2.5, temperature=0.85, top_p=0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """Audio codes of some clips at once; with guidance the network sees two rows for each."""

    clips: int
    codes: int
    seconds: float
    peak_memory_bytes: int | None

    @property
    def steps_per_second(self) -> float:
        """Passes through the network, first one included; clips beyond a full batch take another round."""
        return math.ceil(self.clips / MAX_ROWS) * self.codes / self.seconds

    @property
    def codes_per_second(self) -> float:
        """Codes of all clips."""
        return self.clips * self.codes / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A whole job with `thinking`: seconds of its stages, and of the language model's phases."""

    duration_s: float
    batch: int
    stages: dict[str, float]
    phases: dict[str, float]

    @property
    def of_language_model(self) -> float:
        """Part of the whole, 0 to 1."""
        return self.stages["lm"] / sum(self.stages.values())


def time_codes(backend: PtBackend, clips: int, codes: int, device: torch.device) -> Codes:
    """Make codes for some clips, after a short warm-up."""
    rows = [
        LMRequest(
            prompt=prompts.for_codes(CAPTION, LYRICS, BLOCK),
            negative=prompts.for_codes_negative(CAPTION, "", LYRICS),
            seed=seed,
            n_codes=codes,
            sampling=SAMPLING,
        )
        for seed in range(clips)
    ]
    backend.warmup()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    begun = time.perf_counter()
    backend.generate(rows, lambda made, wanted: None, lambda: False)  # ends with tokens on the CPU
    seconds = time.perf_counter() - begun
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    return Codes(clips=clips, codes=codes, seconds=seconds, peak_memory_bytes=peak)


def time_share(
    folders: dict[str, tuple[ModelSpec, Path]], device: torch.device, duration_s: float, scratch: Path
) -> Share:
    """Run a job of two clips twice, and tell the seconds of the second run."""
    names = list(folders)
    options = EngineOptions(
        models=(names[0],),
        models_dir=str(scratch),
        language_models=(names[1],),
        device=str(device),
        offload=False,
    )
    engine = MusicEngine(options, locate=lambda name: folders[name])
    request = GenerationRequest(
        model=names[0],
        items=tuple(ItemSpec(prompt=CAPTION, lyrics=LYRICS, seed=seed) for seed in (1, 2)),
        duration=duration_s,
        planning=Planning(options=LanguageOptions(seed=0), thinking=True),
        scratch_dir=str(scratch),
    )
    for _ in range(2):
        computed = engine.compute(request, lambda *told: None, lambda: False)
    engine.close()
    phases = {phase.name: phase.seconds for phase in computed.language.phases}
    return Share(duration_s=duration_s, batch=2, stages=computed.seconds, phases=phases)


def measure(options: argparse.Namespace) -> tuple[list[Codes], Share]:
    """Build the checkpoints and measure."""
    device = choose_device(options.device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    with tempfile.TemporaryDirectory(prefix="acestep-gpu-", dir=options.folder) as name:
        music, language = Path(name) / checkpoint.SPEC.name, Path(name) / language_checkpoint.SPEC.name
        if options.tiny:
            tiny.build(music)
            tiny.build_language_model(language)
        else:
            checkpoint.save(music, device=device, dtype=dtype)
            language_checkpoint.save(language, options.size, device=device, dtype=dtype)
        backend = PtBackend(language, Tokens(language), device=device)
        rows = []
        for clips in options.clips:
            rows.append(time_codes(backend, clips, int(options.seconds * 5), device))
            print(table(rows[-1:]).splitlines()[-1], flush=True)
        backend.close()
        folders = {
            checkpoint.SPEC.name: (checkpoint.SPEC, music),
            language_checkpoint.SPEC.name: (language_checkpoint.SPEC, language),
        }
        return rows, time_share(folders, device, options.seconds, Path(name))


def table(rows: Sequence[Codes]) -> str:
    """Write the rows as a Markdown table."""
    lines = ["| clips | codes of each | s | steps/s | codes/s | peak GB |", f"|{'---|' * 6}"]
    for row in rows:
        peak = "" if row.peak_memory_bytes is None else f"{row.peak_memory_bytes / 1e9:.1f}"
        lines.append(
            f"| {row.clips} | {row.codes} | {row.seconds:.2f} | {row.steps_per_second:.0f} "
            f"| {row.codes_per_second:.0f} | {peak} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--folder", type=Path, help="place for the weights; default: the temporary folder")
    parser.add_argument("--size", choices=list(language_checkpoint.SIZES), default="1.7B")
    parser.add_argument("--clips", type=int, nargs="+", default=[1, 2, 8, 16])
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the song")
    parser.add_argument("--tiny", action="store_true", help="the tiny models, to try the script itself")
    options = parser.parse_args(arguments)
    rows, share = measure(options)
    device = choose_device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    report: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": name,
        "model": "tiny" if options.tiny else options.size,
        "versions": library_versions(),
        "codes": [asdict(row) for row in rows],
        "job": asdict(share) | {"share_of_language_model": share.of_language_model},
    }
    options.out.write_text(json.dumps(report, indent=2) + "\n")
    print(f"\n{report['model']} on {name}, guidance on\n\n{table(rows)}\n")
    parts = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in share.stages.items())
    print(f"{share.duration_s:g} s, 2 clips, thinking: {parts}; language model {share.of_language_model:.0%}")


if __name__ == "__main__":
    main()
