import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder that another user can pass: pytest's own temporary folders are closed."""
    parent = Path(tempfile.mkdtemp(prefix="acestep-"))
    parent.chmod(0o711)
    yield parent / "data"
    shutil.rmtree(parent)


def processes_of(folder: Path) -> list[int]:
    """Pids of all processes that name the folder on their command line or work in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            used = (entry / "cmdline").read_bytes() + os.fsencode(os.readlink(entry / "cwd"))  # noqa: PTH115
        except OSError:
            continue
        if os.fsencode(folder) in used:
            found.append(int(entry.name))
    return found


@pytest.fixture
def running(data_dir: Path) -> "Running":
    return Running(data_dir)


class Running:
    """Counts what is alive of one stack."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    def pids(self) -> list[int]:
        return processes_of(self._data_dir)
