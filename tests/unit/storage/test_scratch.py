import os
import subprocess
import sys
from pathlib import Path

from app.storage.scratch import make_scratch


def test_only_folders_of_living_processes_stay(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    dead, earlier, alive = f"{ended.stdout.strip()}-a", f"{os.getpid()}-earlier", f"{os.getppid()}-b"
    for name in (dead, earlier, alive, "other"):
        (tmp_path / name / "request").mkdir(parents=True)
    make_scratch(tmp_path / f"{os.getpid()}-now")
    assert {folder.name for folder in tmp_path.iterdir()} == {alive, "other", f"{os.getpid()}-now"}
