"""MP3s that do not tell how long they are, for a decoder that then guesses, and stops at its guess."""

from io import RawIOBase

from inference.audio.window import Window

_HEAD_BYTES = 48
_VERSION_1, _VERSION_2 = 3, 2
_RATES_HZ = (44_100, 48_000, 32_000)
_MONO = 3
_KBIT_CODE = 9  # 128 kbit/s, or 80 in versions 2 and 2.5: room enough at any rate
_VBRI_AT = 36
_ENDLESS = 1 << 30


def with_length(file: RawIOBase) -> RawIOBase:
    """Return the file, behind a Xing header with a count that no file reaches where it has no count itself.

    libmpg123 takes the bit rate of the first frame for that of all, and libsndfile reads only as far as this
    guess: of a file with a variable bit rate most would be lost.

    Args:
        file: begins with a frame of layer III.
    """
    head = file.read(_HEAD_BYTES) or b""
    file.seek(0)
    if len(head) < _HEAD_BYTES or head[0] != 0xFF or _tells_length(head):
        return file
    return Window(file, 0, None, before=_xing_frame(head))


def _tells_length(head: bytes) -> bool:
    at = _tag_at(head)
    has_count = head[at : at + 4] in (b"Xing", b"Info") and bool(head[at + 7] & 1)
    return has_count or head[_VBRI_AT : _VBRI_AT + 4] == b"VBRI"


def _tag_at(head: bytes) -> int:
    """Offset behind the side information, whose size depends on version and channels."""
    is_mono = head[3] >> 6 == _MONO
    if head[1] >> 3 & 3 == _VERSION_1:
        return 4 + (17 if is_mono else 32)
    return 4 + (9 if is_mono else 17)


def _xing_frame(head: bytes) -> bytes:
    """A frame like the one given, without audio, checksum and padding."""
    version, rate_code = head[1] >> 3 & 3, head[2] >> 2 & 3
    rate_hz = _RATES_HZ[rate_code] >> {_VERSION_1: 0, _VERSION_2: 1}.get(version, 2)
    size = 144 * 128_000 // rate_hz if version == _VERSION_1 else 72 * 80_000 // rate_hz
    header = bytes([0xFF, head[1] | 1, _KBIT_CODE << 4 | rate_code << 2, head[3]])
    tag = b"Xing" + (1).to_bytes(4) + _ENDLESS.to_bytes(4)
    return (header.ljust(_tag_at(head), b"\0") + tag).ljust(size, b"\0")
