"""Bare AAC: two ADTS headers that follow each other (ISO/IEC 14496-3, annex 1.A)."""

from typing import BinaryIO, NamedTuple

from app.domain.probe.claim import Claim, read_at, size_of

_HEADER_BYTES = 7
_RATES_HZ = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000),
    *(24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350),
)
_CHANNELS = (None, 1, 2, 3, 4, 5, 6, 8)
"""By configuration; the first is described inside the audio."""

_LONGEST_FRAME_BYTES, _FRAME_SAMPLES = (1 << 13) - 1, 1024


class _Frame(NamedTuple):
    rate_hz: int
    channels: int | None
    size_bytes: int


def read(file: BinaryIO, start: int) -> Claim | None:
    """Read the first two headers; None if there are none."""
    first = _parse(read_at(file, start, _HEADER_BYTES))
    second = _parse(read_at(file, start + first.size_bytes, _HEADER_BYTES)) if first else None
    if first is None or second is None or first[:2] != second[:2]:
        return None
    frames = (size_of(file) - start) / _LONGEST_FRAME_BYTES
    return Claim(
        kind="aac",
        channels=first.channels,
        rate_hz=first.rate_hz,
        duration_s=None,
        at_least_s=frames * _FRAME_SAMPLES / first.rate_hz,
    )


def _parse(header: bytes) -> _Frame | None:
    if len(header) < _HEADER_BYTES or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return None
    rate_code = header[2] >> 2 & 0xF
    size_bytes = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    if rate_code >= len(_RATES_HZ) or size_bytes <= _HEADER_BYTES:
        return None
    return _Frame(_RATES_HZ[rate_code], _CHANNELS[(header[2] & 1) << 2 | header[3] >> 6], size_bytes)
