"""WAV: RIFF and RF64, with plain and extensible formats."""

import struct
from typing import BinaryIO

from app.domain.probe.claim import Claim, MalformedHeader, exactly, read_at, seconds, size_of

_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_PCM, _FLOAT, _A_LAW, _MU_LAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
# Bytes of one sample. The depth of a logarithmic one says nothing: it always has one byte.
_SAMPLE_BYTES = {_PCM: (1, 2, 3, 4), _FLOAT: (4, 8), _A_LAW: (1,), _MU_LAW: (1,)}
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
            return _claim(form, at, min(at + size, end))
        at += size + size % 2
    raise MalformedHeader("no audio data in the WAV file")


def _claim(form: bytes | None, data_at: int, end: int) -> Claim:
    if form is None or len(form) < _FORMAT.size:
        raise MalformedHeader("no format before the audio data")
    tag, channels, rate_hz, _, _, bits = _FORMAT.unpack_from(form)
    if tag == _EXTENSIBLE and len(form) == _EXTENSIBLE_BYTES:
        tag = int.from_bytes(form[_SUB_FORMAT_AT : _SUB_FORMAT_AT + 2], "little")
    if tag not in _SAMPLE_BYTES:
        raise MalformedHeader(f"WAV encoding {tag} is not supported")
    sample_bytes = 1 if tag in (_A_LAW, _MU_LAW) else (bits + 7) // 8
    if sample_bytes not in _SAMPLE_BYTES[tag]:
        raise MalformedHeader(f"{bits} bits per sample")
    # Not the block size of the header: it is one more number that may lie.
    frame_bytes = max(1, channels * sample_bytes)
    return Claim(
        kind="wav",
        channels=channels,
        rate_hz=rate_hz,
        duration_s=seconds(max(0, end - data_at) // frame_bytes, rate_hz),
        end=end,
    )
