"""WebM and Matroska: length and first sound track, told before the first cluster (RFC 9559)."""

import struct
from collections.abc import Iterator, Mapping
from typing import BinaryIO, NamedTuple

from app.domain.probe.claim import Claim, MalformedHeader, read_at, size_of

MARK = b"\x1a\x45\xdf\xa3"
_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_INFO, _TIMESTAMP_SCALE, _DURATION = 0x1549A966, 0x2AD7B1, 0x4489
_TRACKS, _TRACK, _TRACK_TYPE, _CODEC = 0x1654AE6B, 0xAE, 0x83, 0x86
_AUDIO, _RATE, _CHANNELS = 0xE1, 0xB5, 0x9F
_SOUND = 2
_CODECS = (b"A_OPUS", b"A_VORBIS", b"A_AAC", b"A_FLAC", b"A_ALAC", b"A_MPEG/L3")
_MOST_ELEMENTS = 512
_MOST_VALUE_BYTES = 64
_DEFAULT_SCALE_NS, _DEFAULT_RATE_HZ, _DEFAULT_CHANNELS = 1_000_000, 8000.0, 1
_MOST_HZ = 1e9  # more is no number that int() should meet


class _Element(NamedTuple):
    name: int
    start: int
    end: int


class _Elements:
    """Walks elements; all walks over one file share a budget."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _MOST_ELEMENTS

    def inside(self, start: int, end: int) -> Iterator[_Element]:
        """Yield the elements between two offsets with the bounds of their content."""
        while start < end and self._left:
            self._left -= 1
            header = read_at(self._file, start, 12)
            name, name_bytes = _number(header, most_bytes=4, keep_mark=True)
            size, size_bytes = _number(header[name_bytes:], most_bytes=8, keep_mark=False)
            if not name_bytes or not size_bytes:
                return
            content = start + name_bytes + size_bytes
            is_open = size == (1 << 7 * size_bytes) - 1  # written while nobody knew how long it gets
            start = end if is_open else min(content + size, end)
            yield _Element(name, content, start)

    def children(self, parent: _Element | None) -> dict[int, _Element]:
        """Return the first element of each name inside, as far as the first cluster; nothing for None."""
        found: dict[int, _Element] = {}
        for element in self.inside(parent.start, parent.end) if parent else ():
            if element.name == _CLUSTER:
                break
            found.setdefault(element.name, element)
        return found

    def value(self, element: _Element | None) -> bytes:
        """Return the content of a small element; nothing for None."""
        if element is None:
            return b""
        return read_at(self._file, element.start, min(element.end - element.start, _MOST_VALUE_BYTES))


def read(file: BinaryIO, start: int) -> Claim:
    """Find the first sound track; live recordings do not tell how long they are."""
    elements = _Elements(file)
    whole = _Element(0, start, size_of(file))
    parts = elements.children(elements.children(whole).get(_SEGMENT))
    duration_s = _duration_s(elements, elements.children(parts.get(_INFO)))
    tracks = parts.get(_TRACKS, _Element(0, 0, 0))
    for track in elements.inside(tracks.start, tracks.end):
        fields = elements.children(track) if track.name == _TRACK else {}
        if int.from_bytes(elements.value(fields.get(_TRACK_TYPE))) == _SOUND:
            return _claim(elements, fields, duration_s)
    raise MalformedHeader("no sound in the WebM file")


def _duration_s(elements: _Elements, info: Mapping[int, _Element]) -> float | None:
    scale_ns = int.from_bytes(elements.value(info.get(_TIMESTAMP_SCALE))) or _DEFAULT_SCALE_NS
    duration = _float(elements.value(info.get(_DURATION)))
    return duration * scale_ns / 1e9 if duration > 0 else None


def _claim(elements: _Elements, track: Mapping[int, _Element], duration_s: float | None) -> Claim:
    if not elements.value(track.get(_CODEC)).startswith(_CODECS):
        raise MalformedHeader("no Opus, Vorbis, AAC, FLAC, ALAC or MP3 in the WebM file")
    audio = elements.children(track.get(_AUDIO))
    rate_hz = _float(elements.value(audio.get(_RATE))) or _DEFAULT_RATE_HZ
    return Claim(
        kind="webm",
        channels=int.from_bytes(elements.value(audio.get(_CHANNELS))) or _DEFAULT_CHANNELS,
        rate_hz=int(rate_hz) if 0 < rate_hz < _MOST_HZ else 0,
        duration_s=duration_s,
    )


def _number(data: bytes, *, most_bytes: int, keep_mark: bool) -> tuple[int, int]:
    """Read a number of variable length, and tell how many bytes it has; 0 for none."""
    count = 9 - data[0].bit_length() if data else 0
    if not 0 < count <= min(most_bytes, len(data)):
        return 0, 0
    value = int.from_bytes(data[:count])
    return (value if keep_mark else value & (1 << 7 * count) - 1), count


def _float(data: bytes) -> float:
    """Read a number; 0 for none."""
    form = {4: ">f", 8: ">d"}.get(len(data))
    return float(struct.unpack(form, data)[0]) if form else 0.0
