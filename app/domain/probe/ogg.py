"""Ogg with Vorbis, Opus or FLAC: the first packet, and the position that the last page tells."""

import struct
from typing import BinaryIO

from app.domain.probe import flac
from app.domain.probe.claim import Claim, MalformedHeader, exactly, read_at, seconds, size_of

_PAGE = struct.Struct("<4sBBqIIIB")
_TAIL_BYTES = 65_536 + 282  # the largest page and the header of one more
_OPUS_RATE_HZ = 48_000


def read(file: BinaryIO, start: int) -> Claim:
    """Read the first packet of the first stream, then look for that stream's last page."""
    page = _PAGE.unpack(exactly(file, start, _PAGE.size))
    serial, segments = page[4], page[7]
    packet = read_at(file, start + _PAGE.size + segments, 64)
    claim, pre_skip = _identify(packet)
    if claim.duration_s is not None:
        return claim
    position = _last_position(file, start, serial)
    return Claim(
        kind=claim.kind,
        channels=claim.channels,
        rate_hz=claim.rate_hz,
        duration_s=None if position is None else seconds(position - pre_skip, claim.rate_hz),
    )


def _identify(packet: bytes) -> tuple[Claim, int]:
    """Return what the identification header says, and the samples to cut at the beginning."""
    if packet.startswith(b"\x01vorbis") and len(packet) >= 16:
        rate_hz = int.from_bytes(packet[12:16], "little")
        return Claim(kind="ogg", channels=packet[11], rate_hz=rate_hz, duration_s=None), 0
    if packet.startswith(b"OpusHead") and len(packet) >= 12:
        pre_skip = int.from_bytes(packet[10:12], "little")
        return Claim(kind="ogg", channels=packet[9], rate_hz=_OPUS_RATE_HZ, duration_s=None), pre_skip
    if packet.startswith(b"\x7fFLAC") and packet[9:13] == flac.MARK and len(packet) >= 13 + flac.INFO_BYTES:
        return flac.read_info(packet[13 : 13 + flac.INFO_BYTES], kind="oga"), 0
    raise MalformedHeader("no Vorbis, Opus or FLAC in the Ogg file")


def _last_position(file: BinaryIO, start: int, serial: int) -> int | None:
    tail_at = max(start, size_of(file) - _TAIL_BYTES)
    tail = read_at(file, tail_at, _TAIL_BYTES)
    at = tail.rfind(b"OggS")
    while at >= 0:
        if at + _PAGE.size <= len(tail):
            _, _, _, position, page_serial, *_ = _PAGE.unpack_from(tail, at)
            if page_serial == serial and position > 0:  # -1: no packet ends on this page
                return int(position)
        at = tail.rfind(b"OggS", 0, at)
    return None
