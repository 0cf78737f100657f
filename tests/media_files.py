"""MP4, WebM and AAC files made byte by byte, as far as a probe looks; their audio is junk."""

import struct


def a_box(name: bytes, content: bytes, *, is_long: bool = False) -> bytes:
    """A box of an MP4 file, with a size of 32 or 64 bits."""
    if is_long:
        return struct.pack(">I4sQ", 1, name, 16 + len(content)) + content
    return struct.pack(">I4s", 8 + len(content), name) + content


def an_m4a(
    *,
    seconds: float = 1.0,
    rate: int = 44100,
    timescale: int = 44100,
    channels: int = 2,
    codec: bytes = b"mp4a",
    version: int = 0,
    has_film: bool = False,
    moov_last: bool = False,
) -> bytes:
    """A file with one sound track, perhaps behind a film; `version` of its times, 2 for QuickTime's entry."""
    units = round(seconds * timescale)
    if version == 1:
        mdhd = struct.pack(">IQQIQI", 1 << 24, 0, 0, timescale, units, 0)
    else:
        mdhd = struct.pack(">IIIIII", 0, 0, 0, timescale, units, 0)
    entry = struct.pack(">4s6xH", codec, 1)
    if version == 2:
        entry += struct.pack(">HHIHHHHIIdI", 2, 0, 0, 3, 16, 0xFFFE, 0, 1 << 16, 72, rate, channels)
    else:
        entry += struct.pack(">HHIHHHHI", 0, 0, 0, channels, 16, 0, 0, (rate if rate < 1 << 16 else 0) << 16)
    stsd = struct.pack(">III", 0, 1, 4 + len(entry)) + entry
    media = a_box(b"minf", a_box(b"smhd", bytes(8)) + a_box(b"stbl", a_box(b"stsd", stsd)))
    sound = a_box(b"trak", a_box(b"mdia", a_box(b"mdhd", mdhd) + a_handler(b"soun") + media))
    film = a_box(b"trak", a_box(b"tkhd", bytes(84)) + a_box(b"mdia", a_handler(b"vide"))) if has_film else b""
    moov = a_box(b"moov", a_box(b"mvhd", bytes(100)) + film + sound)
    mdat = a_box(b"mdat", bytes(5000), is_long=moov_last)
    ftyp = a_box(b"ftyp", b"M4A \0\0\2\0isommp42")
    return ftyp + (mdat + moov if moov_last else moov + mdat)


def a_handler(kind: bytes) -> bytes:
    return a_box(b"hdlr", struct.pack(">II4s12x", 0, 0, kind) + b"\0")


def an_element(name: int, content: bytes, *, is_open: bool = False) -> bytes:
    """An element of a WebM file; an open one does not tell its size."""
    size = b"\x01" + b"\xff" * 7 if is_open else (1 << 56 | len(content)).to_bytes(8)
    return name.to_bytes((name.bit_length() + 7) // 8) + size + content


def a_webm(
    *, seconds: float | None = 1.0, rate: float = 48000.0, channels: int = 2, codec: bytes = b"A_OPUS"
) -> bytes:
    """A file with a film and a sound track; without a length it is as a browser records it."""
    duration = an_element(0x4489, struct.pack(">d", seconds * 1000)) if seconds is not None else b""
    info = an_element(0x1549A966, an_element(0x2AD7B1, (1_000_000).to_bytes(3)) + duration)
    film = an_element(0xAE, an_element(0xD7, b"\1") + an_element(0x83, b"\1"))
    audio = an_element(0xB5, struct.pack(">f", rate)) + an_element(0x9F, bytes([channels]))
    sound = an_element(0x83, b"\2") + an_element(0x86, codec) + an_element(0xE1, audio)
    tracks = an_element(0x1654AE6B, film + an_element(0xAE, sound))
    cluster = an_element(0x1F43B675, bytes(2000), is_open=True)
    head = an_element(0x1A45DFA3, an_element(0x4282, b"webm"))
    return head + an_element(0x18538067, info + tracks + cluster, is_open=seconds is None)


def an_aac(*, rate_code: int = 4, channels: int = 2, frames: int = 3) -> bytes:
    """ADTS frames of 100 bytes; rate 4 is 44.1 kHz, and 0 channels are described in the audio."""
    packed = 0xFFF1 << 40 | 1 << 38 | rate_code << 34 | channels << 30 | 100 << 13 | 0x7FF << 2
    return (packed.to_bytes(7) + bytes(93)) * frames
