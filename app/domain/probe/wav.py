"""WAV: RIFF, RF64 and BW64, with plain and extensible formats."""

import struct
from typing import BinaryIO

from app.domain.probe.claim import Claim, MalformedHeader, exactly, read_at, seconds, size_of

_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_PCM, _FLOAT, _A_LAW, _MU_LAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_SUB_FORMAT_AT, _EXTENSIBLE_BYTES = 24, 40
_MOST_CHUNKS = 256
_UNKNOWN_SIZE = 0xFFFFFFFF


def read(file: BinaryIO, start: int) -> Claim:
    """Walk the chunks to `fmt ` and `data`; a `data` longer than the file counts as far as the file goes."""
    end = size_of(file)
    at = start + 12
    form: bytes | None = None
    long_size: int | None = None
    for _ in range(_MOST_CHUNKS):
        header = read_at(file, at, _CHUNK.size)
        if len(header) < _CHUNK.size:
            break
        name, size = _CHUNK.unpack(header)
        at += _CHUNK.size
        if name == b"ds64":
            long_size = int.from_bytes(exactly(file, at + 8, 8), "little")
        elif name == b"fmt ":
            form = exactly(file, at, min(size, _EXTENSIBLE_BYTES))
        elif name == b"data":
            if size == _UNKNOWN_SIZE and long_size is not None:
                size = long_size
            return _claim(form, min(size, max(0, end - at)))
        at += size + size % 2
    raise MalformedHeader("no audio data in the WAV file")


def _claim(form: bytes | None, data_bytes: int) -> Claim:
    if form is None or len(form) < _FORMAT.size:
        raise MalformedHeader("no format before the audio data")
    tag, channels, rate_hz, _, _, bits = _FORMAT.unpack_from(form)
    if tag == _EXTENSIBLE and len(form) == _EXTENSIBLE_BYTES:
        tag = int.from_bytes(form[_SUB_FORMAT_AT : _SUB_FORMAT_AT + 2], "little")
    if tag not in (_PCM, _FLOAT, _A_LAW, _MU_LAW):
        raise MalformedHeader(f"WAV encoding {tag} is not supported")
    if not 1 <= bits <= 64:
        raise MalformedHeader(f"{bits} bits per sample")
    # Not the block size of the header: it is one more number that may lie.
    frame_bytes = max(1, channels * ((bits + 7) // 8))
    return Claim(
        kind="wav",
        channels=channels,
        rate_hz=rate_hz,
        duration_s=seconds(data_bytes // frame_bytes, rate_hz),
    )
