"""What an audio file claims to be, from its magic bytes and header numbers; nothing is decoded.

The answers are claims of a stranger. Each reader takes a bounded number of bytes, whatever the file says.
"""

import re
from collections.abc import Collection
from dataclasses import replace
from typing import BinaryIO

from app.domain.errors import ValidationError
from app.domain.probe import aac, flac, mp3, mp4, ogg, wav, webm
from app.domain.probe.claim import Claim, MalformedHeader, read_at

MOST_CHANNELS = 8
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 8_000, 192_000
_HEAD_BYTES = 64
# Encoders pad to whole frames, and some headers count the padding.
PADDING_S = 0.25
_ID3_HEADER_BYTES = 10
_MOST_TAGS = 4
_CONTAINERS = (
    ("wav", re.compile(rb"(RIFF|RF64)....WAVE", re.DOTALL), wav.read),
    ("flac", re.compile(flac.MARK), flac.read),
    ("ogg", re.compile(b"OggS"), ogg.read),
    ("m4a", re.compile(rb"....ftyp", re.DOTALL), mp4.read),
    ("webm", re.compile(webm.MARK), webm.read),
)

PLAIN_KINDS = ("wav", "flac", "mp3", "ogg")
MIME_TYPES = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "webm": "audio/webm",
    "oga": "audio/ogg",
}
"""By the kind of a claim, which is also the extension under which a file is stored."""


class UnsupportedKind(ValidationError):
    """The file is audio of a known kind that is not taken."""


def probe(file: BinaryIO, *, max_seconds: float, kinds: Collection[str] = PLAIN_KINDS) -> Claim:
    """Read the header of a seekable file and refuse what it admits.

    Args:
        max_seconds: longest allowed audio.
        kinds: what can be decoded.

    Raises:
        UnsupportedKind: a kind that cannot be decoded.
        ValidationError: another type, a broken header, no audio, more than 8 channels, a rate outside 8 to
            192 kHz, or more audio than allowed.
    """
    try:
        start = _after_tags(file)
        claim = _read(file, start, kinds)
    except MalformedHeader as error:
        raise ValidationError(f"broken audio header: {error}") from None
    _judge(claim, max_seconds)
    return replace(claim, start=max(claim.start, start))


def _read(file: BinaryIO, start: int, kinds: Collection[str]) -> Claim:
    head = read_at(file, start, _HEAD_BYTES)
    if not head:
        raise ValidationError(_refusal("a file without content", kinds))
    for kind, mark, read in _CONTAINERS:
        if mark.match(head):
            _check_kind(kind, kinds)
            claim: Claim | None = read(file, start)
            break
    else:  # their marks are weak, and junk before the first frame of an MP3 is usual
        claim = aac.read(file, start) or mp3.read(file, start)
    if claim is None:
        raise ValidationError(_refusal("this type of file", kinds))
    _check_kind(claim.kind, kinds)
    return claim


def _check_kind(kind: str, kinds: Collection[str]) -> None:
    if kind not in kinds:
        raise UnsupportedKind(_refusal(f"the audio format {kind}", kinds))


def _refusal(what: str, kinds: Collection[str]) -> str:
    *others, last = kinds
    return f"{what} is not supported; send {', '.join(others)} or {last}"


def _judge(claim: Claim, max_seconds: float) -> None:
    if claim.channels is not None and not 1 <= claim.channels <= MOST_CHANNELS:
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
