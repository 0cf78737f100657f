"""Audio files made byte by byte, so that each number of a header can be a lie."""

import struct


def a_wav(
    *,
    seconds: float = 1.0,
    rate: int = 8000,
    channels: int = 1,
    bits: int = 16,
    tag: int = 1,
    claimed_bytes: int | None = None,
) -> bytes:
    """A RIFF file of silence; `claimed_bytes` is what its data chunk says instead of the truth."""
    frame = channels * bits // 8
    data = bytes(min(int(seconds * rate) * frame, 5_000_000))
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * frame & 0xFFFFFFFF, frame & 0xFFFF, bits)
    size = len(data) if claimed_bytes is None else claimed_bytes
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks) & 0xFFFFFFFF) + b"WAVE" + chunks


def an_extensible_wav(*, sub_format: int = 3) -> bytes:
    """One second of float samples, stereo, 48 kHz, with the long format chunk."""
    form = struct.pack("<HHIIHHHHI", 0xFFFE, 2, 48000, 384000, 8, 32, 22, 32, 3)
    form += struct.pack("<H", sub_format) + bytes.fromhex("000000001000800000aa00389b71")
    data = bytes(48000 * 8)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def an_rf64(*, data_bytes: int, frames: int = 8000) -> bytes:
    """A long WAV, mono, 8 kHz; its true size is one second, `data_bytes` is what it says."""
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, data_bytes, data_bytes, frames & (1 << 64) - 1, 0)
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    return (
        b"RF64" + b"\xff" * 4 + b"WAVE" + ds64 + form + b"data" + struct.pack("<I", 0xFFFFFFFF) + bytes(16000)
    )


def a_flac(*, frames: int = 44100, rate: int = 44100, channels: int = 2) -> bytes:
    """The beginning of a FLAC file; its audio is junk."""
    packed = rate << 44 | (channels - 1) << 41 | 15 << 36 | frames
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + packed.to_bytes(8) + bytes(16)
    return b"fLaC\x80" + len(info).to_bytes(3) + info + b"\xff\xf8" + bytes(200)


def an_ogg(*, codec: str = "vorbis", position: int = 44100, rate: int = 44100, channels: int = 2) -> bytes:
    """Two pages of an Ogg stream: identification, and the last one with its position."""
    match codec:
        case "vorbis":
            packet = b"\x01vorbis" + struct.pack("<IBIIIIBB", 0, channels, rate, 0, 0, 0, 0, 1)
        case "opus":
            packet = b"OpusHead" + struct.pack("<BBHIhB", 1, channels, 312, rate, 0, 0)
        case "flac":
            packet = b"\x7fFLAC\x01\x00\x00\x01"
            packet += a_flac(frames=position, rate=rate, channels=channels)[:42]
        case _:
            packet = b"Speex   1.2".ljust(80, b"\0")
    return _page(0, 0, packet) + _page(1, position, bytes(100)) + _page(2, -1, bytes(100))


def _page(number: int, position: int, packet: bytes) -> bytes:
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, 2 if number == 0 else 0, position, 77, number, 0, 1)
    return head + bytes([len(packet)]) + packet


MP3_FRAME = b"\xff\xfb\x90\x00" + bytes(413)
"""128 kbit/s, 44.1 kHz, stereo: 1152 samples in 417 bytes."""


def an_mp3(*, frames: int = 40, told_frames: int | None = None, id3_bytes: int | None = None) -> bytes:
    """Frames of silence; perhaps with a Xing header that tells a count, perhaps behind an ID3v2 tag."""
    tag = b""
    if id3_bytes is not None:
        size = bytes(id3_bytes >> shift & 0x7F for shift in (21, 14, 7, 0))
        tag = b"ID3\x04\x00\x00" + size + bytes(min(id3_bytes, 300_000))
    first = MP3_FRAME
    if told_frames is not None:
        xing = b"Xing" + struct.pack(">II", 1, told_frames)
        first = MP3_FRAME[:36] + xing + MP3_FRAME[36 + len(xing) :]
    return tag + first + MP3_FRAME * (frames - 1)
