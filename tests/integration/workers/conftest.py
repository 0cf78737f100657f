import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from inference.audio import answer

# Runs the command in a process that then tells its peak memory: the number of `wait4` begins at the parent's.
_MEASURED = """
import resource, sys
from pathlib import Path
import inference.audio.decode as decode

def peak_bytes():
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
    return int(line.split()[1]) * 1024

before = peak_bytes()
status = decode.main()
used = resource.getrusage(resource.RUSAGE_SELF)
print(peak_bytes() - before, used.ru_utime + used.ru_stime)
sys.exit(status)
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the decode process said, and what it took."""

    answer: answer.Answer
    grown_bytes: int
    cpu_s: float


@pytest.fixture
def decode(tmp_path: Path) -> Callable[..., Measured]:
    """Decode a file in a process as workers start it, into `tmp_path / "target"`."""

    def run(source: Path, *, kind: str = "wav", start: int = 0, max_seconds: float = 600.0) -> Measured:
        ended = subprocess.run(
            [
                sys.executable,
                "-c",
                _MEASURED,
                str(source),
                str(tmp_path / "target"),
                f"--kind={kind}",
                f"--start={start}",
                f"--max-seconds={max_seconds}",
            ],
            capture_output=True,
            timeout=60,
        )
        said, numbers = ended.stdout.splitlines()
        grown_bytes, cpu_s = numbers.split()
        return Measured(answer.read(said), int(grown_bytes), float(cpu_s))

    return run
