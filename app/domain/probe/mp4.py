"""MP4, M4A and QuickTime: the first sound track in the boxes of `moov` (ISO/IEC 14496-12, section 8)."""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from app.domain.probe.claim import Claim, MalformedHeader, exactly, read_at, size_of

_HEADER = struct.Struct(">I4s")
_LONG_SIZE, _TO_THE_END = 1, 0
_MOST_BOXES = 512
_CODECS = (b"mp4a", b"alac", b"Opus", b"fLaC", b".mp3")
_ENTRY_BYTES = 36
_QUICKTIME_2 = 2
_MOST_HZ = 1e9  # more is no number that int() should meet
_UNKNOWN = (0, (1 << 32) - 1, (1 << 64) - 1)


class _Box(NamedTuple):
    name: bytes
    start: int
    end: int


class _Boxes:
    """Walks boxes; all walks over one file share a budget, so that boxes in boxes stay cheap."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _MOST_BOXES

    def inside(self, start: int, end: int) -> Iterator[_Box]:
        """Yield the boxes between two offsets with the bounds of their content."""
        while start < end and self._left:
            self._left -= 1
            header = read_at(self._file, start, _HEADER.size + 8)
            if len(header) < _HEADER.size:
                return
            size, name = _HEADER.unpack_from(header)
            content = start + _HEADER.size
            if size == _LONG_SIZE and len(header) == _HEADER.size + 8:
                size, content = int.from_bytes(header[_HEADER.size :]), content + 8
            box_end = end if size == _TO_THE_END else min(start + size, end)
            if box_end < content:
                return
            yield _Box(name, content, box_end)
            start = box_end

    def find(self, parent: _Box, *path: bytes) -> _Box:
        """Descend to the first box of this path.

        Raises:
            MalformedHeader: there is none.
        """
        found = parent
        for name in path:
            children = self.inside(found.start, found.end)
            box = next((child for child in children if child.name == name), None)
            if box is None:
                raise MalformedHeader(f"no {name.decode()} box in the MP4 file")
            found = box
        return found


def read(file: BinaryIO, start: int) -> Claim:
    """Find the first sound track; a fragmented file does not tell how long it is."""
    boxes = _Boxes(file)
    moov = boxes.find(_Box(b"", start, size_of(file)), b"moov")
    for track in boxes.inside(moov.start, moov.end):
        if track.name == b"trak" and _is_sound(file, boxes, track):
            return _claim(file, boxes, track)
    raise MalformedHeader("no sound in the MP4 file")


def _is_sound(file: BinaryIO, boxes: _Boxes, track: _Box) -> bool:
    handler = boxes.find(track, b"mdia", b"hdlr")
    return read_at(file, handler.start + 8, 4) == b"soun"


def _claim(file: BinaryIO, boxes: _Boxes, track: _Box) -> Claim:
    timescale, duration = _length(file, boxes.find(track, b"mdia", b"mdhd"))
    table = boxes.find(track, b"mdia", b"minf", b"stbl", b"stsd")
    channels, rate_hz = _describe(file, table.start + 8)
    return Claim(
        kind="m4a",
        channels=channels,
        rate_hz=rate_hz or timescale,  # the field is too small for rates above 65 535 Hz
        duration_s=duration / timescale if timescale and duration not in _UNKNOWN else None,
    )


def _length(file: BinaryIO, mdhd: _Box) -> tuple[int, int]:
    """Return units per second, and units."""
    if exactly(file, mdhd.start, 1) == b"\0":
        timescale, duration = struct.unpack(">II", exactly(file, mdhd.start + 12, 8))
    else:
        timescale, duration = struct.unpack(">IQ", exactly(file, mdhd.start + 20, 12))
    return timescale, duration


def _describe(file: BinaryIO, at: int) -> tuple[int, int]:
    """Return channels and rate of the sample description at this offset."""
    entry = exactly(file, at, _ENTRY_BYTES)
    if entry[4:8] not in _CODECS:
        raise MalformedHeader("no AAC, ALAC, Opus, FLAC or MP3 in the MP4 file")
    if int.from_bytes(entry[16:18]) != _QUICKTIME_2:
        return int.from_bytes(entry[24:26]), int.from_bytes(entry[32:34])
    rate, channels = struct.unpack(">dI", exactly(file, at + _ENTRY_BYTES + 4, 12))
    return channels, int(rate) if 0 < rate < _MOST_HZ else 0
