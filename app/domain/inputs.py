"""Audio that a task begins with: uploaded files, and the wishes of the `…_path` fields."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from urllib.parse import parse_qs, urlsplit

from app.domain.errors import ValidationError

AUDIO_KEY = re.compile(r"audio/[0-9a-f]{32}\.[a-z0-9]{1,8}", re.ASCII)
"""Form of every public path of stored audio."""

_AUDIO_ROUTE = "/v1/audio"


class Role(StrEnum):
    """What an input is for."""

    REFERENCE = "reference"
    SOURCE = "source"


class Origin(StrEnum):
    """Where an input came from."""

    UPLOAD = "upload"
    OUTPUT = "output"
    SERVER = "server"


PATH_PARAMETERS: Mapping[Role, str] = MappingProxyType(
    {Role.REFERENCE: "reference_audio_path", Role.SOURCE: "src_audio_path"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedFile:
    """A complete file in the scratch folder; `sha256` is hex."""

    path: Path
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInput:
    """One entry of `task_params.inputs`, in the words of the wire.

    Attributes:
        path: public key.
        duration: seconds, as the header claims; None if it does not tell.
    """

    role: Role
    origin: Origin
    path: str
    storage_key: str
    sha256: str
    bytes: int
    duration: float | None


def audio_not_available() -> ValidationError:
    """The one refusal of a path: missing, foreign and forbidden look the same."""
    return ValidationError("audio path not available")


def parse_audio_path(text: str) -> str | PurePosixPath:
    """Return the public key that a path or URL names, or else the absolute path on the server.

    Nothing is fetched or opened here; the host of a URL is ignored.

    Raises:
        ValidationError: neither of them.
    """
    text = text.strip()
    key = text.removeprefix("/")
    if AUDIO_KEY.fullmatch(key):
        return key
    key = _key_of_url(text)
    if AUDIO_KEY.fullmatch(key):
        return key
    if not text.startswith("/") or "\0" in text:
        raise audio_not_available()
    return PurePosixPath(text)


def _key_of_url(text: str) -> str:
    try:
        url = urlsplit(text)
        # A proxy may have put the service below a path of its own.
        is_ours = url.scheme in ("", "http", "https") and url.path.endswith(_AUDIO_ROUTE)
        values = parse_qs(url.query, max_num_fields=16).get("path") if is_ours else None
    except ValueError:
        return ""
    return values[0].removeprefix("/") if values else ""
