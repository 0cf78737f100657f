"""Writes a folder once and completely, whoever else writes it at the same time."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

_MARKER = ".complete"


def publish(folder: Path, save: Callable[[Path], None], *, stamp: str) -> Path:
    """Have `save` fill a folder, unless one with this stamp is complete; the parent folder is created.

    Returns:
        `folder`.
    """
    if _is_complete(folder, stamp):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        save(draft)
        (draft / _MARKER).write_text(stamp)
        _rename(draft, folder, stamp)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _is_complete(folder: Path, stamp: str) -> bool:
    marker = folder / _MARKER
    return marker.is_file() and marker.read_text() == stamp


def _rename(draft: Path, folder: Path, stamp: str) -> None:
    """Rename the draft into place; an older build makes way, an equal one by another process wins."""
    for attempt in range(3):
        try:
            draft.rename(folder)
        except OSError:
            if _is_complete(folder, stamp):
                return
            if attempt == 2:
                raise
            shutil.rmtree(folder, ignore_errors=True)
        else:
            return
