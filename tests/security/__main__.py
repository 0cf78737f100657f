"""`make security`: every row of the list in full, one after the other; prints a line for each.

`python -m tests.security S3 S14` runs some of them. The rows are those of docs/security.md.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom

API, DECODE = "tests/integration/api", "tests/integration/workers"
WHOLE_ISOLATION = {"ISOLATION_TEAMS": "20", "ISOLATION_TASKS": "50"}


@dataclass(frozen=True)
class Row:
    """One row of the list.

    Attributes:
        owasp: items of the API Security Top 10 of 2023.
        tests: arguments of pytest.
        inputs: how many there are, where the tests do not count them for us.
        environment: what makes the tests long.
    """

    owasp: str
    tests: tuple[str, ...]
    inputs: int = 0
    environment: dict[str, str] = field(default_factory=dict)


def own(file: str, number: str) -> tuple[str, ...]:
    return (f"tests/security/{file}", "-k", f"{number.lower()}_")


ROWS = {
    "S1": Row("1", (f"{API}/test_isolation_at_scale.py", "-k", "not time"), 20_000, WHOLE_ISOLATION),
    "S2": Row("1", own("test_audio_paths.py", "S2")),
    "S3": Row("1, 8", own("test_audio_paths.py", "S3")),
    "S4": Row("7, 8", own("test_server_files.py", "S4")),
    "S5": Row("2", own("test_doors.py", "S5")),
    "S6": Row("2", (f"{API}/test_key_timing.py",), 100_000, {"KEY_TIMINGS": "100000"}),
    "S7": Row("3", own("test_bodies.py", "S7")),
    "S8": Row("4", (f"{API}/test_hostile_uploads.py", f"{DECODE}/test_decode.py"), 200, {"BOMB_HOURS": "6"}),
    "S9": Row("4", own("test_bodies.py", "S9")),
    "S10": Row("4, 6", own("test_bodies.py", "S10")),
    "S11": Row("5", own("test_doors.py", "S11")),
    "S12": Row("8", own("test_secrets.py", "S12")),
    "S13": Row("8", own("test_bodies.py", "S13")),
    "S13 fuzz": Row("8", ("tests/acceptance/test_fuzz.py",), 20_000, {"FUZZ_REQUESTS": "10000"}),
    "S14": Row("10", own("test_checkpoints.py", "S14")),
    "S15": Row("9", own("test_doors.py", "S15")),
    "S16": Row("4", own("test_damaged_audio.py", "S16")),
    "S17": Row(
        "1",
        (f"{API}/test_isolation_at_scale.py", f"{API}/test_isolation.py", "-k", "time or unknown"),
        100_000,
        WHOLE_ISOLATION,
    ),
}


def run(number: str, seed: str) -> bool:
    """Run the tests of a row and print what they counted; whether they passed."""
    row = ROWS[number]
    with tempfile.TemporaryDirectory() as folder:
        report, log = Path(folder) / "report", Path(folder) / "log"
        environment = {"SECURITY": "full", "SECURITY_SEED": seed, "SECURITY_REPORT": str(report)}
        started = time.monotonic()
        with log.open("wb") as output:
            status = subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "-s", "--no-header", *row.tests],
                env={**os.environ, **environment, **row.environment},
                stdout=output,
                stderr=output,
                check=False,
            ).returncode
        took_s = time.monotonic() - started
        lines = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
        inputs = sum(line["inputs"] for line in lines) or row.inputs
        findings = sum(line["findings"] for line in lines)
        verdict = "pass" if status == 0 else "FAIL"
        print(f"{number:9}{inputs:7} inputs {findings:4} findings  {verdict}  {took_s:.0f} s", flush=True)  # noqa: T201
        if status:
            print(log.read_text(errors="replace")[-5000:])  # noqa: T201
    return status == 0


def main() -> int:
    """Run all rows, or those that are named; the exit status is 1 if one fails."""
    seed = os.environ.get("SECURITY_SEED") or str(SystemRandom().randrange(10**6))
    print(f"seed {seed}: SECURITY_SEED={seed} repeats it")  # noqa: T201
    numbers = sys.argv[1:] or list(ROWS)
    passed = [run(number, seed) for number in numbers]
    return int(not all(passed))


if __name__ == "__main__":
    sys.exit(main())
