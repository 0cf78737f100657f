"""FLAC: the STREAMINFO block, which comes first (RFC 9639, section 8.2)."""

from typing import BinaryIO

from app.domain.probe.claim import Claim, MalformedHeader, exactly, seconds

MARK = b"fLaC"
INFO_BYTES = 4 + 34
"""Header of the block and its content."""


def read(file: BinaryIO, start: int) -> Claim:
    """Read a native FLAC file."""
    return read_info(exactly(file, start + len(MARK), INFO_BYTES), kind="flac")


def read_info(block: bytes, *, kind: str) -> Claim:
    """Read a STREAMINFO block with its header; 0 frames mean that the encoder did not know."""
    if block[0] & 0x7F != 0 or int.from_bytes(block[1:4]) != INFO_BYTES - 4:
        raise MalformedHeader("no STREAMINFO at the beginning")
    # 20 bits rate, 3 bits channels - 1, 5 bits depth - 1, 36 bits frames
    packed = int.from_bytes(block[14:22])
    rate_hz = packed >> 44
    frames = packed & (1 << 36) - 1
    return Claim(
        kind=kind,
        channels=(packed >> 41 & 0x7) + 1,
        rate_hz=rate_hz,
        duration_s=seconds(frames, rate_hz) if frames else None,
    )
