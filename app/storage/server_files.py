"""Files of this machine that clients may name: only below the folders that the operator allows."""

import errno
import os
import stat
from collections.abc import Sequence
from io import FileIO
from pathlib import Path, PurePath

_NOT_AVAILABLE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def open_below(folders: Sequence[Path], path: PurePath) -> FileIO | None:
    """Open a regular file that lies below one of the folders once all links are resolved, else None.

    The resolved path is opened part by part without following links, so that nobody can swap one in between.
    """
    try:
        real = Path(os.path.realpath(path, strict=True)) if folders else None
        for folder in folders:
            root = Path(os.path.realpath(folder))
            if real is not None and real != root and real.is_relative_to(root):
                return _open(root, real.relative_to(root).parts)
    except ValueError:
        return None
    except OSError as error:
        if error.errno not in _NOT_AVAILABLE:
            raise
    return None


def _open(root: Path, parts: Sequence[str]) -> FileIO | None:
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        # O_NONBLOCK: not to wait on a pipe.
        handle = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        return None
    return FileIO(handle)
