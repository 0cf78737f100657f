"""What every source of checkpoints can do."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from inference.models.record import OnBytes
from inference.models.spec import ModelSpec

NO_NETWORK = "Without internet: see docs/models.md, section 'Without internet'."


class DownloadFailed(Exception):
    """Files cannot be had, or are not the right ones; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file of a checkpoint at its source; `path` is inside the model's folder.

    Attributes:
        sha256, git_blob: what the source says about the content; small files of a hub have only the second
            (SHA-1 of git's header and the content).
    """

    path: str
    size_bytes: int
    sha256: str | None = None
    git_blob: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All files of a model's folder at its source.

    Attributes:
        revision: commit, None where there is none.
        place: the folder itself, where it is one of this machine.
    """

    revision: str | None
    files: tuple[RemoteFile, ...]
    place: Path | None = None


class Source(Protocol):
    """A place that has checkpoints."""

    name: str

    def list_files(self, spec: ModelSpec) -> Listing:
        """Return what the source has of a model.

        Raises:
            DownloadFailed: nothing, or the source does not answer.
        """

    def fetch(
        self, spec: ModelSpec, listing: Listing, file: RemoteFile, part: Path, on_bytes: OnBytes
    ) -> None:
        """Write one file into `part`, going on where an earlier fetch stopped.

        Raises:
            DownloadFailed: the source stopped answering; `part` keeps what came.
        """


def inside(spec: ModelSpec, files: Iterable[RemoteFile]) -> tuple[RemoteFile, ...]:
    """Return the files of the model's subfolder, named from there."""
    prefix = f"{spec.subfolder}/" if spec.subfolder else ""
    return tuple(
        replace(file, path=file.path.removeprefix(prefix)) for file in files if file.path.startswith(prefix)
    )
