"""What an audio file claims to be, from its magic bytes and header numbers; nothing is decoded.

The answers are claims of a stranger. Each reader takes a bounded number of bytes, whatever the file says.
"""

from typing import BinaryIO

from app.domain.errors import ValidationError
from app.domain.probe import flac, mp3, ogg, wav
from app.domain.probe.claim import Claim, MalformedHeader, read_at

MOST_CHANNELS = 8
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 8_000, 192_000
_HEAD_BYTES = 64
# Encoders pad to whole frames, and some headers count the padding.
PADDING_S = 0.25
_ID3_HEADER_BYTES = 10
_MOST_TAGS = 4

MIME_TYPES = {"wav": "audio/wav", "flac": "audio/flac", "mp3": "audio/mpeg", "ogg": "audio/ogg"}
"""By the kind of a claim, which is also the extension under which a file is stored."""


def probe(file: BinaryIO, *, max_seconds: float) -> Claim:
    """Read the header of a seekable file and refuse what it admits.

    Args:
        max_seconds: longest allowed audio.

    Raises:
        ValidationError: an unknown or unsupported type, a broken header, no audio, more than 8 channels, a
            rate outside 8 to 192 kHz, or more audio than allowed.
    """
    try:
        start = _after_tags(file)
        claim = _read(file, start, read_at(file, start, _HEAD_BYTES))
    except MalformedHeader as error:
        raise ValidationError(f"broken audio header: {error}") from None
    _judge(claim, max_seconds)
    return claim


def _read(file: BinaryIO, start: int, head: bytes) -> Claim:
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return wav.read(file, start)
    if head.startswith(b"fLaC"):
        return flac.read(file, start)
    if head.startswith(b"OggS"):
        return ogg.read(file, start)
    other = _unsupported(head)
    # Last, because its mark is the weakest, and junk before the first frame is usual.
    claim = None if other else mp3.read(file, start)
    if claim is None:
        raise ValidationError(f"{other or 'this type of file'} is not supported; send wav, flac, mp3 or ogg")
    return claim


def _judge(claim: Claim, max_seconds: float) -> None:
    if not 1 <= claim.channels <= MOST_CHANNELS:
        raise ValidationError(f"audio has {claim.channels} channels; 1 to {MOST_CHANNELS} are allowed")
    if not LOWEST_RATE_HZ <= claim.rate_hz <= HIGHEST_RATE_HZ:
        raise ValidationError(
            f"audio has a rate of {claim.rate_hz} Hz; {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} are allowed"
        )
    if claim.duration_s is not None and claim.duration_s <= 0:
        raise ValidationError("the file holds no audio")
    if max(claim.duration_s or 0.0, claim.at_least_s) > max_seconds + PADDING_S:
        raise ValidationError(f"audio is longer than {max_seconds:g} seconds")


def _after_tags(file: BinaryIO) -> int:
    """Return where the audio begins; ID3 tags are skipped unread, however much they hold."""
    start = 0
    for _ in range(_MOST_TAGS):
        head = read_at(file, start, _ID3_HEADER_BYTES)
        if len(head) < _ID3_HEADER_BYTES or head[:3] != b"ID3":
            break
        size = 0
        for byte in head[6:10]:  # four times seven bits
            size = size << 7 | byte & 0x7F
        start += _ID3_HEADER_BYTES + size + (_ID3_HEADER_BYTES if head[5] & 0x10 else 0)
    return start


def _unsupported(head: bytes) -> str | None:
    """Name what surely is no supported audio, as far as that helps the client."""
    if not head:
        return "a file without content"
    if head[4:8] == b"ftyp":
        return "the audio format m4a"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "the audio format webm"
    return "the audio format aac" if head[0] == 0xFF and head[1:2] and head[1] & 0xF6 == 0xF0 else None
