"""The numbers that a header tells, and how its bytes are read."""

from dataclasses import dataclass
from io import SEEK_END
from typing import BinaryIO


class MalformedHeader(Exception):
    """The header contradicts itself or ends too early; the text is public."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a file says of itself.

    Attributes:
        kind: one of `MIME_TYPES`.
        channels: None if only the audio itself tells.
        duration_s: None if the header does not tell.
        at_least_s: what the size of the file alone proves.
        start: offset of the first byte that a decoder should see; tags and junk lie before it.
        end: offset behind the last one; None = the end of the file.
    """

    kind: str
    channels: int | None
    rate_hz: int
    duration_s: float | None
    at_least_s: float = 0.0
    start: int = 0
    end: int | None = None


def read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    """Return up to `size` bytes from `offset`; fewer, or none, behind the end."""
    file.seek(offset)
    return file.read(size)


def exactly(file: BinaryIO, offset: int, size: int) -> bytes:
    """Return `size` bytes from `offset`.

    Raises:
        MalformedHeader: the file ends before.
    """
    data = read_at(file, offset, size)
    if len(data) < size:
        raise MalformedHeader("the file ends too early")
    return data


def size_of(file: BinaryIO) -> int:
    """Return the size of the file in bytes."""
    return file.seek(0, SEEK_END)


def seconds(frames: int, rate_hz: int) -> float:
    """Return the length of so many frames; 0 for a rate of 0, which is refused later."""
    return frames / rate_hz if rate_hz else 0.0
