"""A process's own folder for files that no restart needs, locked as long as the process lives.

The kernel gives the lock back whatever ends the process, and shows it to every process of the machine, those
of other containers too, whose process ids mean nothing here.
"""

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path
from uuid import uuid4


class Scratch:
    """A folder that nobody takes for a dead process's, until it is removed or this process ends."""

    def __init__(self, path: Path) -> None:
        """Make the folder; it has its lock before it has its name."""
        self.path = path
        new = path.with_name(f".{uuid4().hex}")
        new.mkdir(parents=True, mode=0o700)
        self._lock = os.open(new, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with suppress(OSError):  # a file system without locks: then the folder always seems in use
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(path)

    def remove(self) -> None:
        """Remove the folder with all files."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def make_scratch(path: Path) -> Scratch:
    """Make a folder for this process, and remove those beside it whose process is gone."""
    scratch = Scratch(path)
    for folder in abandoned(path.parent):
        shutil.rmtree(folder, ignore_errors=True)
    return scratch


def abandoned(parent: Path) -> list[Path]:
    """Scratch folders in there whose process is gone."""
    return [path for path in parent.iterdir() if _is_abandoned(path)] if parent.exists() else []


def _is_abandoned(path: Path) -> bool:
    if path.name.startswith("."):  # not finished yet
        return False
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # gone by now, or no folder
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True
