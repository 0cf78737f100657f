"""S16: whatever is wrong with a file, the decode process ends in time and within its limits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.audio import a_tone, write_audio
from tests.security.scale import SEED, share, tally

pytestmark = pytest.mark.inference

MOST_CPU_S = 2.0
MOST_BYTES = 64 * 1024**2
FORMATS = {
    "wav": ".wav",
    "wav24": ".wav",
    "float": ".wav",
    "flac": ".flac",
    "mp3": ".mp3",
    "ogg": ".ogg",
    "opus": ".ogg",
}


def write_seeds(folder: Path) -> int:
    """Write seven formats with one to eight channels at several rates."""
    count = 0
    for kind, ending in FORMATS.items():
        for rate_hz in (8_000, 44_100, 48_000, 96_000):
            for channels in (1, 2):
                if (kind == "mp3" and rate_hz > 48_000) or (
                    kind == "opus" and rate_hz not in (8_000, 48_000)
                ):
                    continue
                tone = a_tone(0.3, rate_hz=rate_hz, channels=channels)
                write_audio(folder / f"{count}{ending}", tone, kind=kind, rate_hz=rate_hz)
                count += 1
    return count


def test_s16_damaged_files_hurt_nobody(tmp_path: Path) -> None:
    assert write_seeds(tmp_path) >= 45
    count = share(50_000)
    with tally("S16", least=500) as counted:
        ended = subprocess.run(
            [sys.executable, "-m", "tests.security.flips", str(tmp_path), str(count), f"S16 {SEED}"],
            capture_output=True,
            text=True,
            timeout=40 + count,
        )
        assert ended.returncode == 0, ended.stderr
        told = json.loads(ended.stdout)
        print(told)  # noqa: T201
        counted.tried = sum(told["endings"].values())
        counted.check(told["cpu_s"] < MOST_CPU_S, told)
        counted.check(told["grown_bytes"] < MOST_BYTES, told)
