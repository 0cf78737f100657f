"""Checkpoints from ModelScope, through its own client, which is optional."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inference.models.record import OnBytes
from inference.models.sources.source import NO_NETWORK, DownloadFailed, Listing, RemoteFile, inside
from inference.models.spec import ModelSpec

try:
    from modelscope_hub import HubApi
    from modelscope_hub.errors import HubError
except ImportError:
    raise DownloadFailed('ModelScope needs its client: pip install "acestep-service[modelscope]"') from None


class ModelScope:
    """See `Source`. The same repositories under other revisions: only hashes tell equal files."""

    name = "modelscope"

    def list_files(self, spec: ModelSpec) -> Listing:
        """See `Source`."""
        with _understood():
            found = HubApi().list_repo_files(str(spec.repo), "model")
        files = (
            RemoteFile(path=each.path, size_bytes=each.size, sha256=each.sha256)
            for each in found
            if not each.is_dir
        )
        return Listing(revision=None, files=inside(spec, files))

    def fetch(
        self, spec: ModelSpec, listing: Listing, file: RemoteFile, part: Path, on_bytes: OnBytes
    ) -> None:
        """See `Source`; the client keeps unfinished files in a folder of its own, and goes on from there."""
        path = f"{spec.subfolder}/{file.path}" if spec.subfolder else file.path
        aside = part.with_name(f"{part.name}.modelscope")
        with _understood():
            got = HubApi().download_file(
                str(spec.repo), "model", path, local_dir=aside, file_size=file.size_bytes
            )
        got.replace(part)
        shutil.rmtree(aside)
        on_bytes(file.size_bytes)


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (HubError, OSError) as error:
        raise DownloadFailed(f"ModelScope: {error}. {NO_NETWORK}") from None
