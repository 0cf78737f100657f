"""A process's own folder for files that no restart needs; those of dead processes are removed."""

import os
import shutil
from pathlib import Path


def make_scratch(own: Path) -> None:
    """Make a folder named `<pid>-<anything>` and remove its neighbours whose process is gone.

    A neighbour with this process's own id is of an earlier one: in containers ids repeat with each start.
    """
    own.mkdir(parents=True, exist_ok=True, mode=0o700)
    for folder in own.parent.iterdir():
        pid = folder.name.split("-", 1)[0]
        if folder != own and pid.isdecimal() and (int(pid) == os.getpid() or not _is_alive(int(pid))):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
