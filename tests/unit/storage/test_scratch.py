import os
import signal
import subprocess
import sys
from pathlib import Path

from app.storage.scratch import Scratch, abandoned, make_scratch

HOLD = """
import sys, time
from pathlib import Path
from app.storage.scratch import Scratch
held = Scratch(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_only_folders_of_living_processes_stay(tmp_path: Path) -> None:
    """Also one of a stopped process, which has the same id as this one in its own container."""
    (tmp_path / "earlier" / "request").mkdir(parents=True)
    (tmp_path / "a file").touch()
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / f"{os.getpid()}-other")], stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    with other.stdout:
        assert other.stdout.readline() == b"held\n"
    other.send_signal(signal.SIGSTOP)
    scratch = make_scratch(tmp_path / "own")
    assert {path.name for path in tmp_path.iterdir()} == {"a file", f"{os.getpid()}-other", "own"}
    other.kill()
    other.wait()
    assert [path.name for path in abandoned(tmp_path)] == [f"{os.getpid()}-other"]
    scratch.remove()
    assert not scratch.path.exists()


def test_a_folder_in_use_is_never_abandoned(tmp_path: Path) -> None:
    first, second = Scratch(tmp_path / "first"), Scratch(tmp_path / "second")
    assert abandoned(tmp_path) == []
    for scratch in (first, second):
        scratch.remove()
    assert abandoned(tmp_path / "nowhere") == []
