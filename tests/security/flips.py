"""`python -m tests.security.flips FOLDER COUNT SEED`: decode damaged files, each in a child with its limits.

Forks instead of starting: the libraries are loaded once, and every child lays on itself what
`python -m inference.audio.decode` does. Writes one JSON line: how many ended how, and the worst of them.
"""

import json
import os
import random
import resource
import sys
from collections import Counter
from pathlib import Path

from inference.audio import decode as program
from inference.audio.decode import opener_of

MAX_SECONDS = 30.0
_KINDS = {".wav": "wav", ".flac": "flac", ".mp3": "mp3", ".ogg": "ogg"}


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Flip one to sixteen bits, half of the time in the header, where lies do most."""
    changed = bytearray(content)
    end = min(len(changed), 200) if chance.random() < 0.5 else len(changed)
    for _ in range(chance.randint(1, 16)):
        changed[chance.randrange(end)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def main() -> None:
    """Decode so many files and tell what became of them."""
    folder, count, chance = Path(sys.argv[1]), int(sys.argv[2]), random.Random(sys.argv[3])
    seeds = sorted(path for path in folder.iterdir() if path.suffix in _KINDS)
    for kind in _KINDS.values():
        opener_of(kind)
    endings: Counter[str] = Counter()
    most = {"cpu_s": 0.0, "grown_bytes": 0}
    source, target = folder / "source", folder / "target"
    for number in range(count):
        seed = seeds[number % len(seeds)]
        source.write_bytes(damaged(seed.read_bytes(), chance))
        ending, cpu_s, grown_bytes = in_a_child(source, target, _KINDS[seed.suffix])
        endings[ending] += 1
        most = {"cpu_s": max(most["cpu_s"], cpu_s), "grown_bytes": max(most["grown_bytes"], grown_bytes)}
    print(json.dumps({"endings": endings, **most}))  # noqa: T201


def in_a_child(source: Path, target: Path, kind: str) -> tuple[str, float, int]:
    """How the child ended, its processor time, and its peak memory above ours."""
    own_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(quiet, number)
        sys.argv = ["decode", str(source), str(target), f"--kind={kind}", f"--max-seconds={MAX_SECONDS}"]
        status = 2  # as after an exception, which ends the real program without an answer
        try:
            status = program.main()
        finally:
            os._exit(status)
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    ending = {0: "decoded", 1: "refused"}.get(code, f"ended with {code}")
    return ending, used.ru_utime + used.ru_stime, max(0, used.ru_maxrss * 1024 - own_bytes)


if __name__ == "__main__":
    main()
