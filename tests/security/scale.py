"""How many inputs a test of this folder takes, from which seed, and what came of them.

SECURITY=full takes all of them, else about a hundredth; SECURITY_SEED draws another corpus.
"""

import json
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

IS_FULL = os.environ.get("SECURITY") == "full"
SEED = os.environ.get("SECURITY_SEED", "1")


def share(full: int, *, least: int = 1) -> int:
    """All inputs in full, else a hundredth of them."""
    return full if IS_FULL else max(least, full // 100)


def chance(name: str) -> random.Random:
    """The same choices for the same seed."""
    return random.Random(f"{SEED} {name}")


@dataclass
class Tally:
    """What was tried, and what should not have happened."""

    tried: int = 0
    findings: list[object] = field(default_factory=list)

    def check(self, is_right: bool, finding: object) -> None:
        """Count one input, and note what is wrong about its outcome."""
        self.tried += 1
        if not is_right:
            self.findings.append(finding)


@contextmanager
def tally(number: str, *, least: int = 1) -> Iterator[Tally]:
    """Count for one row of the list; fails with the first findings, or if too little was tried."""
    counted = Tally()
    yield counted
    line = {"number": number, "inputs": counted.tried, "findings": len(counted.findings), "seed": SEED}
    print(line)  # noqa: T201 - shown with a failure, or with -s
    report = os.environ.get("SECURITY_REPORT")
    if report:
        with Path(report).open("a") as file:
            file.write(json.dumps(line) + "\n")
    assert not counted.findings, "\n".join(map(str, counted.findings[:5]))
    assert counted.tried >= least
