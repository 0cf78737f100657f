"""What lies in a model's folder: the hash of every file, written last, when all of them are there."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

COMPLETE_MARKER = ".complete"
_BLOCK_BYTES = 4 * 1024 * 1024

OnBytes = Callable[[int], object]
"""Called with the bytes that were read or written since the last call."""


class FileRecord(msgspec.Struct, frozen=True):
    """One file as it was when the folder was completed."""

    size_bytes: int
    sha256: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Content of the marker of a downloaded folder; `files` by path inside the folder.

    Attributes:
        source: where the files came from, for people.
        revision: commit of the hub; None where the source has none.
    """

    source: str
    repo: str | None = None
    revision: str | None = None
    files: dict[str, FileRecord]


def read(folder: Path) -> Record | None:
    """Return the record, or None where there is none (folders that we build have another marker)."""
    try:
        return msgspec.json.decode((folder / COMPLETE_MARKER).read_bytes(), type=Record)
    except (OSError, msgspec.MsgspecError):
        return None


def write(folder: Path, record: Record) -> None:
    """Mark the folder as complete."""
    draft = folder / f"{COMPLETE_MARKER}.new"
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(record)))
    draft.replace(folder / COMPLETE_MARKER)


def files_below(folder: Path) -> list[Path]:
    """Return every file of a checkpoint, sorted; hidden files and folders are ours or the hub's."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not _is_hidden(path.relative_to(folder)))


def hash_file(path: Path, on_bytes: OnBytes = lambda count: None) -> str:
    """Return the SHA-256 of a file in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            on_bytes(len(block))
    return digest.hexdigest()


def hash_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a checkpoint, by its path inside the folder."""
    return {path.relative_to(folder).as_posix(): hash_file(path) for path in files_below(folder)}


def known_hashes(folder: Path, parts: Iterable[Path] = ()) -> dict[str, str]:
    """Return the hashes of a model and its parts: as recorded, else computed now.

    A part's files are named by the part's folder.
    """
    hashes = _hashes_of(folder)
    for part in parts:
        hashes |= {f"{part.name}/{path}": value for path, value in _hashes_of(part).items()}
    return hashes


def changed(folder: Path, record: Record) -> list[str]:
    """Return the recorded files that are gone or have another size; reads no content."""
    return [
        path
        for path, file in record.files.items()
        if not (folder / path).is_file() or (folder / path).stat().st_size != file.size_bytes
    ]


def _hashes_of(folder: Path) -> dict[str, str]:
    record = read(folder)
    if record is None:
        return hash_files(folder)
    return {path: file.sha256 for path, file in record.files.items()}


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
