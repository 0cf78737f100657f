"""MP3: two frames that follow each other, and the frame count of a Xing, Info or VBRI header."""

from dataclasses import dataclass
from typing import BinaryIO

from app.domain.probe.claim import Claim, read_at, seconds, size_of

_SEARCHED_BYTES = 64 * 1024
_HEADER_BYTES = 4
_LAYER_3 = 1
_VERSION_1, _VERSION_2 = 3, 2
_RATES_HZ = {_VERSION_1: (44_100, 48_000, 32_000), _VERSION_2: (22_050, 24_000, 16_000)}
_RATES_HZ_2_5 = (11_025, 12_000, 8_000)
_KBIT_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBIT_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    version: int
    rate_hz: int
    channels: int
    size_bytes: int

    @property
    def samples(self) -> int:
        return 1152 if self.version == _VERSION_1 else 576

    def fits(self, other: "_Frame | None") -> bool:
        return other is not None and (self.version, self.rate_hz) == (other.version, other.rate_hz)


def read(file: BinaryIO, start: int) -> Claim | None:
    """Find the first frame; None if there is none near the beginning."""
    data = read_at(file, start, _SEARCHED_BYTES)
    at = data.find(0xFF)
    while at >= 0:
        first = _parse(data[at : at + _HEADER_BYTES])
        if first is not None:
            follows = start + at + first.size_bytes
            if first.fits(_parse(read_at(file, follows, _HEADER_BYTES))):
                return _claim(first, data[at:], start + at, size_of(file))
        at = data.find(0xFF, at + 1)
    return None


def _claim(first: _Frame, data: bytes, start: int, end: int) -> Claim:
    frames = _told_frames(data[: first.size_bytes])
    fastest_kbit = max(_KBIT_1 if first.version == _VERSION_1 else _KBIT_2)
    return Claim(
        kind="mp3",
        channels=first.channels,
        rate_hz=first.rate_hz,
        duration_s=None if frames is None else seconds(frames * first.samples, first.rate_hz),
        # Without a count the length is known only after decoding; this much it must be at any bit rate.
        at_least_s=0.0 if frames is not None else (end - start) * 8 / (fastest_kbit * 1000),
        start=start,
    )


def _told_frames(frame: bytes) -> int | None:
    for mark in (b"Xing", b"Info"):
        at = frame.find(mark)
        if at >= 0 and len(frame) >= at + 12 and frame[at + 7] & 1:
            return int.from_bytes(frame[at + 8 : at + 12]) or None
    at = frame.find(b"VBRI")
    return int.from_bytes(frame[at + 14 : at + 18]) or None if at >= 0 else None


def _parse(header: bytes) -> _Frame | None:
    """Read a frame header of layer III; None if it is none, or of free bit rate."""
    if len(header) < _HEADER_BYTES or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    rate_code, kbit_code = header[2] >> 2 & 3, header[2] >> 4
    if version == 1 or layer != _LAYER_3 or rate_code == 3 or kbit_code in (0, 15):
        return None
    rate_hz = _RATES_HZ.get(version, _RATES_HZ_2_5)[rate_code]
    kbit = (_KBIT_1 if version == _VERSION_1 else _KBIT_2)[kbit_code]
    half_samples = 144 if version == _VERSION_1 else 72
    return _Frame(
        version=version,
        rate_hz=rate_hz,
        channels=1 if header[3] >> 6 == 3 else 2,
        size_bytes=half_samples * kbit * 1000 // rate_hz + (header[2] >> 1 & 1),
    )
