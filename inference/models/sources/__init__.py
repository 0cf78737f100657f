"""Where checkpoints come from."""

from pathlib import Path

from inference.models.sources.source import DownloadFailed, Listing, RemoteFile, Source

__all__ = ["DownloadFailed", "Listing", "RemoteFile", "Source", "source_of"]


def source_of(name: str) -> Source:
    """Return the source of that name: `auto`, `huggingface`, `modelscope`, or the path of a folder.

    Imports only what was chosen.

    Raises:
        DownloadFailed: there is no such folder, or the client of ModelScope is not installed.
    """
    if name in ("auto", "huggingface"):
        from inference.models.sources.hub import HuggingFace

        return HuggingFace()
    if name == "modelscope":
        from inference.models.sources.modelscope import ModelScope

        return ModelScope()
    from inference.models.sources.folder import Folder

    return Folder(Path(name).expanduser())
