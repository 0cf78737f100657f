"""Checkpoints from the Hugging Face hub, or from the mirror that HF_ENDPOINT names."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, constants, errors, hf_hub_url
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # public, not in __all__

from inference.models.record import OnBytes
from inference.models.sources.source import NO_NETWORK, DownloadFailed, Listing, RemoteFile, inside
from inference.models.spec import ModelSpec


class HuggingFace:
    """See `Source`."""

    name = "huggingface"

    def list_files(self, spec: ModelSpec) -> Listing:
        """See `Source`; the commit is resolved here, so that all files are of one revision."""
        with self._understood(spec):
            info = HfApi().model_info(str(spec.repo), revision=spec.revision, files_metadata=True)
        files = (
            RemoteFile(
                path=found.rfilename,
                size_bytes=found.size or 0,
                sha256=found.lfs.sha256 if found.lfs else None,
                git_blob=found.blob_id,
            )
            for found in info.siblings or ()
        )
        return Listing(revision=info.sha, files=inside(spec, files))

    def fetch(
        self, spec: ModelSpec, listing: Listing, file: RemoteFile, part: Path, on_bytes: OnBytes
    ) -> None:
        """See `Source`.

        The library's download of a file begins anew after an interruption; its transfer, used here, goes on.
        """
        url = hf_hub_url(
            str(spec.repo), file.path, subfolder=spec.subfolder or None, revision=listing.revision
        )
        with self._understood(spec), part.open("ab") as written:
            http_get(
                url,
                written,
                resume_size=written.tell(),
                headers=build_hf_headers(),
                expected_size=file.size_bytes,
                tqdm_class=lambda **_options: _Meter(on_bytes),  # type: ignore[arg-type]
            )

    @contextmanager
    def _understood(self, spec: ModelSpec) -> Iterator[None]:
        """Say in one sentence what went wrong, and what helps."""
        try:
            yield
        except errors.GatedRepoError:
            raise DownloadFailed(f"{spec.repo} asks for consent on its page, and then for HF_TOKEN") from None
        except errors.RevisionNotFoundError:
            raise DownloadFailed(f"{spec.repo} has no revision {spec.revision}") from None
        except errors.RepositoryNotFoundError:
            raise DownloadFailed(f"{constants.ENDPOINT} has no repository {spec.repo}") from None
        except (httpx2.HTTPError, errors.HfHubHTTPError, errors.OfflineModeIsEnabled) as error:
            raise DownloadFailed(
                f"{constants.ENDPOINT} cannot be reached ({type(error).__name__}). The same command goes on "
                f"where it stopped; HF_ENDPOINT names a mirror. {NO_NETWORK}"
            ) from None


class _Meter:
    """What the hub's client takes for a progress bar: passes the bytes on, shows nothing."""

    def __init__(self, on_bytes: OnBytes) -> None:
        self._on_bytes = on_bytes

    def update(self, count: float | None = 1) -> None:
        self._on_bytes(int(count or 0))

    def __enter__(self) -> "_Meter":
        return self

    def __exit__(self, *_error: object) -> None:
        """Nothing to close."""
