"""Containers that are taken where a worker has the optional decoder."""

from io import BytesIO

import pytest

from app.domain.errors import ValidationError
from app.domain.probe import MIME_TYPES, UnsupportedKind, probe
from app.domain.probe.claim import Claim
from tests.audio_files import an_ogg
from tests.media_files import a_box, a_webm, an_aac, an_m4a


def claim_of(content: bytes) -> Claim:
    return probe(BytesIO(content), max_seconds=600, kinds=tuple(MIME_TYPES))


@pytest.mark.parametrize(
    ("content", "kind", "channels", "rate_hz", "duration_s"),
    [
        (an_m4a(), "m4a", 2, 44100, 1.0),
        (an_m4a(seconds=2.5, timescale=1000, version=1), "m4a", 2, 44100, 2.5),
        (an_m4a(version=2, rate=48000, channels=6), "m4a", 6, 48000, 1.0),
        (an_m4a(moov_last=True, has_film=True, codec=b"Opus"), "m4a", 2, 44100, 1.0),
        (an_m4a(rate=96_000, timescale=96_000, codec=b"alac"), "m4a", 2, 96_000, 1.0),
        (an_m4a(seconds=0, codec=b"fLaC"), "m4a", 2, 44100, None),
        (a_webm(), "webm", 2, 48000, 1.0),
        (a_webm(seconds=None, codec=b"A_VORBIS", channels=1), "webm", 1, 48000, None),
        (an_aac(), "aac", 2, 44100, None),
        (an_aac(rate_code=3, channels=7), "aac", 8, 48000, None),
        (an_aac(channels=0), "aac", None, 44100, None),
        (b"ID3\x04\x00\x00\x00\x00\x00\x05aaaaa" + an_aac(), "aac", 2, 44100, None),
        (an_ogg(codec="flac", position=22050), "oga", 2, 44100, 0.5),
    ],
)
def test_what_a_header_tells(
    content: bytes, kind: str, channels: int | None, rate_hz: int, duration_s: float | None
) -> None:
    claim = claim_of(content)
    assert (claim.kind, claim.channels, claim.rate_hz) == (kind, channels, rate_hz)
    assert claim.duration_s == (pytest.approx(duration_s) if duration_s else None)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (an_m4a(seconds=601), "audio is longer than 600 seconds"),
        (an_m4a(channels=9), "audio has 9 channels; 1 to 8 are allowed"),
        (an_m4a(version=2, rate=500_000), "audio has a rate of 500000 Hz"),
        (an_m4a(rate=1), "audio has a rate of 1 Hz; 8000 to 192000 are allowed"),
        (an_m4a(codec=b"enca"), "broken audio header: no AAC, ALAC, Opus, FLAC or MP3 in the MP4 file"),
        (an_m4a()[:60], "broken audio header: no sound in the MP4 file"),
        (a_box(b"ftyp", b"isom") + a_box(b"mdat", bytes(100)), "broken audio header: no moov box"),
        (a_box(b"ftyp", b"isom") + a_box(b"free", b"") * 100_000, "broken audio header: no moov box"),
        (a_webm(seconds=601), "audio is longer than 600 seconds"),
        (a_webm(channels=9), "audio has 9 channels; 1 to 8 are allowed"),
        (a_webm(rate=1e30), "audio has a rate of 0 Hz; 8000 to 192000 are allowed"),
        (a_webm(rate=float("nan")), "audio has a rate of 0 Hz; 8000 to 192000 are allowed"),
        (a_webm(codec=b"A_PCM/INT/LIT"), "broken audio header: no Opus, Vorbis, AAC, FLAC, ALAC or MP3"),
        (a_webm()[:60], "broken audio header: no sound in the WebM file"),
        (an_aac(rate_code=12), "audio has a rate of 7350 Hz; 8000 to 192000 are allowed"),
        (an_aac(rate_code=13), "this type of file is not supported"),
        (an_aac(frames=1), "this type of file is not supported"),
        (an_aac(rate_code=11, frames=2) + bytes(605 * 64_000), "audio is longer than 600 seconds"),
    ],
)
def test_what_a_header_admits_is_refused(content: bytes, text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        claim_of(content)
    assert caught.value.message.startswith(text)


@pytest.mark.parametrize(("content", "kind"), [(an_m4a(), "m4a"), (a_webm(), "webm"), (an_aac(), "aac")])
def test_a_kind_that_nobody_decodes_is_named(content: bytes, kind: str) -> None:
    with pytest.raises(UnsupportedKind) as caught:
        probe(BytesIO(content), max_seconds=600)
    text = f"the audio format {kind} is not supported; send wav, flac, mp3 or ogg"
    assert caught.value.message == text
