"""Checkpoints from a folder of this machine."""

from pathlib import Path

from inference.models import record
from inference.models.record import OnBytes
from inference.models.sources.source import DownloadFailed, Listing, RemoteFile
from inference.models.spec import ModelSpec

_BLOCK_BYTES = 4 * 1024 * 1024


class Folder:
    """See `Source`. Holds models by their names, as ours does and as upstream's `checkpoints` does."""

    def __init__(self, root: Path) -> None:
        self.name = str(root)
        self._root = root
        if not root.is_dir():
            raise DownloadFailed(f"there is no folder {root}")

    def list_files(self, spec: ModelSpec) -> Listing:
        """See `Source`; hashes are those of a record that lies there, if one does."""
        place = self._place(spec)
        if not place.is_dir():
            raise DownloadFailed(f"{self._root} has no folder {spec.name}")
        kept = record.read(place)
        recorded = kept.files if kept is not None else {}
        files = []
        for path in record.files_below(place):
            name = path.relative_to(place).as_posix()
            sha256 = recorded[name].sha256 if name in recorded else None
            files.append(RemoteFile(path=name, size_bytes=path.stat().st_size, sha256=sha256))
        revision = kept.revision if kept is not None else None
        return Listing(revision=revision, files=tuple(files), place=place)

    def fetch(
        self, spec: ModelSpec, listing: Listing, file: RemoteFile, part: Path, on_bytes: OnBytes
    ) -> None:
        """See `Source`."""
        try:
            with (self._place(spec) / file.path).open("rb") as read, part.open("ab") as written:
                read.seek(written.tell())
                while block := read.read(_BLOCK_BYTES):
                    written.write(block)
                    on_bytes(len(block))
        except OSError as error:
            raise DownloadFailed(f"{file.path} of {spec.name} cannot be copied: {error.strerror}") from None

    def _place(self, spec: ModelSpec) -> Path:
        return self._root if self._root.name == spec.name else self._root / spec.name
