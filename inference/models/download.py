"""Brings the files of models to this machine: whole, checked, and marked as complete only then."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from rich.console import Console

from inference.models import record, registry
from inference.models.bar import Bar, as_size
from inference.models.record import FileRecord, OnBytes, Record
from inference.models.sources import DownloadFailed, RemoteFile, Source
from inference.models.sources.source import Listing
from inference.models.spec import ModelSpec

# Unfinished downloads, in the models folder; safe to remove while nothing is downloaded.
UNFINISHED = ".unfinished"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """One folder to fill.

    Attributes:
        draft: where its files are gathered, on the same file system as `target`; the target itself where
            they lie there already.
        files: those of the listing that belong to the checkpoint.
    """

    spec: ModelSpec
    listing: Listing
    files: tuple[RemoteFile, ...]
    draft: Path
    target: Path

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def present_bytes(self) -> int:
        """What an earlier, interrupted download left here."""
        return sum(path.stat().st_size for path in self.draft.rglob("*") if path.is_file())


def download(specs: Sequence[ModelSpec], models_dir: Path, source: Source, console: Console) -> None:
    """Bring what is missing of these models and their parts.

    An interrupted download goes on where it stopped. Two processes may call this at once: the second waits,
    then finds everything there.

    Raises:
        DownloadFailed: the source does not answer or has other files, or the disk is too small. What is not
            whole and checked never gets into a model's folder.
    """
    if not registry.missing(specs, models_dir):
        return
    models_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(models_dir / f"{UNFINISHED}.lock"):
        orders = [_order(spec, models_dir, source) for spec in registry.missing(specs, models_dir)]
        _announce(orders, models_dir, source, console)
        left_bytes = sum(order.size_bytes - order.present_bytes for order in orders)
        free_bytes = shutil.disk_usage(models_dir).free
        if left_bytes > free_bytes:
            raise DownloadFailed(
                f"the disk is too small: {as_size(left_bytes)} are still needed, "
                f"{as_size(free_bytes)} are free in {models_dir}"
            )
        for order in orders:
            with Bar(console, order.spec.name, order.size_bytes, done=order.present_bytes) as bar:
                _fetch(order, source, bar.advance)
            _publish(order, source, console)


def _order(spec: ModelSpec, models_dir: Path, source: Source) -> _Order:
    listing = source.list_files(spec)
    files = tuple(file for file in listing.files if spec.wants(file.path))
    if not any(file.path.endswith(".safetensors") for file in files):
        raise DownloadFailed(f"{source.name} has no safetensors weights of {spec.name}")
    for file in files:
        _compare(spec, file.path, file.sha256, spec.sha256.get(file.path))
    target = registry.folder(spec, models_dir)
    # A draft belongs to one revision: files of two must never meet in one folder.
    draft = models_dir / UNFINISHED / spec.name / (listing.revision or "unknown")
    if listing.place is not None and listing.place.resolve() == target.resolve():
        draft = target
    return _Order(spec=spec, listing=listing, files=files, draft=draft, target=target)


def _announce(orders: Sequence[_Order], models_dir: Path, source: Source, console: Console) -> None:
    for order in orders:
        commit = f", revision {order.listing.revision}" if order.listing.revision else ""
        console.print(f"{order.spec.name}: {as_size(order.size_bytes)}, licence {order.spec.licence}{commit}")
    total = as_size(sum(order.size_bytes for order in orders))
    free = as_size(shutil.disk_usage(models_dir).free)
    console.print(f"{total} from {source.name} to {models_dir}, where {free} are free")


def _fetch(order: _Order, source: Source, on_bytes: OnBytes) -> None:
    for file in order.files:
        done = order.draft / file.path
        if done.is_file():
            continue
        done.parent.mkdir(parents=True, exist_ok=True)
        part = done.with_name(f".{done.name}.part")
        if part.is_file() and part.stat().st_size > file.size_bytes:
            part.unlink()
        try:
            source.fetch(order.spec, order.listing, file, part, on_bytes)
        except OSError as error:
            raise DownloadFailed(f"{file.path} cannot be written: {error.strerror or error}") from None
        part.rename(done)


def _publish(order: _Order, source: Source, console: Console) -> None:
    """Check every file, then put the folder into place, marker included, in one rename."""
    files = {}
    with Bar(console, f"{order.spec.name}, checking", order.size_bytes) as bar:
        for file in order.files:
            path = order.draft / file.path
            sha256 = record.hash_file(path, bar.advance)
            try:
                _check(order.spec, file, path, sha256)
            except DownloadFailed:
                if order.draft != order.target:
                    path.unlink()
                raise
            files[file.path] = FileRecord(size_bytes=path.stat().st_size, sha256=sha256)
    kept = Record(
        source=source.name,
        repo=order.spec.repo,
        revision=order.listing.revision,
        files=dict(sorted(files.items())),
    )
    record.write(order.draft, kept)
    if order.draft != order.target:
        shutil.rmtree(order.target, ignore_errors=True)
        order.draft.rename(order.target)
        shutil.rmtree(order.draft.parent)


def _check(spec: ModelSpec, file: RemoteFile, path: Path, sha256: str) -> None:
    _compare(spec, file.path, sha256, spec.sha256.get(file.path))
    _compare(spec, file.path, sha256, file.sha256)
    if file.sha256 is None and file.git_blob is not None:
        content = path.read_bytes()
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        _compare(spec, file.path, blob, file.git_blob)


def _compare(spec: ModelSpec, path: str, found: str | None, expected: str | None) -> None:
    if found is not None and expected is not None and found != expected:
        raise DownloadFailed(
            f"{path} of {spec.name} is not the file it should be: its hash is {found[:12]}…, not "
            f"{expected[:12]}…. Try again, or another source"
        )
