import random
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.errors import ValidationError
from app.domain.probe import MIME_TYPES, probe
from tests.audio_files import (
    MP3_FRAME,
    a_flac,
    a_wav,
    an_extensible_wav,
    an_mp3,
    an_ogg,
    an_rf64,
)
from tests.media_files import a_webm, an_aac, an_m4a


def refusal(content: bytes) -> str:
    with pytest.raises(ValidationError) as caught:
        probe(BytesIO(content), max_seconds=600)
    return caught.value.message


@pytest.mark.parametrize(
    ("content", "kind", "channels", "rate_hz", "duration_s"),
    [
        (a_wav(seconds=2.5), "wav", 1, 8000, 2.5),
        (a_wav(rate=44100, channels=8, bits=24), "wav", 8, 44100, 1.0),
        (a_wav(tag=3, bits=32, rate=192_000), "wav", 1, 192_000, 1.0),
        (an_extensible_wav(), "wav", 2, 48000, 1.0),
        (an_rf64(data_bytes=16000), "wav", 1, 8000, 1.0),
        (a_flac(frames=88200), "flac", 2, 44100, 2.0),
        (a_flac(frames=0), "flac", 2, 44100, None),
        (an_ogg(position=22050), "ogg", 2, 44100, 0.5),
        (an_ogg(codec="opus", position=48312), "ogg", 2, 48000, 1.0),
        (an_mp3(), "mp3", 2, 44100, None),
        (an_mp3(told_frames=100), "mp3", 2, 44100, 100 * 1152 / 44100),
        (an_mp3(id3_bytes=200_000), "mp3", 2, 44100, None),
        (bytes(500) + an_mp3(), "mp3", 2, 44100, None),
        (b"ID3\x04\x00\x00\x00\x00\x00\x05aaaaa" + a_flac(), "flac", 2, 44100, 1.0),
    ],
)
def test_what_a_header_tells(
    content: bytes, kind: str, channels: int, rate_hz: int, duration_s: float | None
) -> None:
    claim = probe(BytesIO(content), max_seconds=600)
    assert (claim.kind, claim.channels, claim.rate_hz) == (kind, channels, rate_hz)
    assert claim.duration_s == pytest.approx(duration_s) if duration_s else claim.duration_s is None


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (a_wav(channels=9), "audio has 9 channels; 1 to 8 are allowed"),
        (a_wav(channels=0), "audio has 0 channels; 1 to 8 are allowed"),
        (an_ogg(channels=0), "audio has 0 channels; 1 to 8 are allowed"),
        (a_flac(rate=655_350), "audio has a rate of 655350 Hz; 8000 to 192000 are allowed"),
        (a_wav(rate=7999), "audio has a rate of 7999 Hz; 8000 to 192000 are allowed"),
        (a_wav(rate=0), "audio has a rate of 0 Hz; 8000 to 192000 are allowed"),
        (a_flac(rate=0), "audio has a rate of 0 Hz; 8000 to 192000 are allowed"),
        (a_flac(frames=44100 * 6 * 3600), "audio is longer than 600 seconds"),
        (a_flac(frames=(1 << 36) - 1), "audio is longer than 600 seconds"),
        (an_ogg(position=44100 * 3600), "audio is longer than 600 seconds"),
        (an_ogg(position=(1 << 63) - 1), "audio is longer than 600 seconds"),
        (an_mp3(told_frames=(1 << 32) - 1), "audio is longer than 600 seconds"),
        (an_mp3(frames=58_000), "audio is longer than 600 seconds"),
        (a_wav(bits=8, seconds=601, rate=8000)[:-1], "audio is longer than 600 seconds"),
        (a_wav(seconds=0), "the file holds no audio"),
        (an_ogg(codec="opus", position=100), "the file holds no audio"),
    ],
)
def test_what_a_header_admits_is_refused(content: bytes, text: str) -> None:
    assert refusal(content) == text


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "a file without content"),
        (b"just a text, renamed to song.wav", "this type of file"),
        (b"\x00\x00\x00\x20ftypM4A \x00\x00", "the audio format m4a"),
        (b"\x1aE\xdf\xa3" + bytes(100), "the audio format webm"),
        (an_aac(), "the audio format aac"),
        (an_ogg(codec="flac"), "the audio format oga"),
        (b"\xff\xf1\x50\x80" + bytes(400), "this type of file"),
        (b"FORM\x00\x00\x00\x00AIFF" + bytes(100), "this type of file"),
        (b"RIFF\x00\x00\x00\x00AVI " + bytes(100), "this type of file"),
        (MP3_FRAME, "this type of file"),
        (b"\xff\xfb" * 40_000, "this type of file"),
        (random.Random(1).randbytes(200_000), "this type of file"),
        (b"PK\x03\x04" + random.Random(2).randbytes(50_000), "this type of file"),
    ],
)
def test_other_content_is_refused_whatever_its_name_says(content: bytes, what: str) -> None:
    assert refusal(content) == f"{what} is not supported; send wav, flac, mp3 or ogg"


@pytest.mark.parametrize(
    "content",
    [
        a_wav()[:20],
        a_wav()[:38],
        b"RIFF\x04\x00\x00\x00WAVE" + b"junk\x00\x00\x00\x00" * 100_000,
        a_wav(tag=0x55),
        a_wav(bits=0),
        an_extensible_wav(sub_format=0x2000),
        a_flac()[:30],
        b"fLaC\x81" + a_flac()[5:],
        an_ogg()[:30],
        an_ogg(codec="speex"),
    ],
)
def test_a_broken_header_is_refused(content: bytes) -> None:
    assert refusal(content).startswith("broken audio header: ")


@pytest.mark.parametrize(
    "content",
    [
        a_wav(claimed_bytes=0xFFFFFFFF),
        a_wav(claimed_bytes=1 << 31),
        an_rf64(data_bytes=1 << 63),
        an_rf64(data_bytes=(1 << 64) - 1, frames=1 << 63),
    ],
)
def test_a_lie_about_the_size_counts_as_far_as_the_file_goes(content: bytes) -> None:
    assert probe(BytesIO(content), max_seconds=600).duration_s == 1.0


def test_a_tag_longer_than_the_file_leaves_nothing() -> None:
    assert refusal(an_mp3(id3_bytes=256 * 1024 * 1024 - 1)).startswith("a file without content")


class CountingFile(BytesIO):
    """Remembers how much was read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


SEEDS = [
    a_wav(),
    an_extensible_wav(),
    an_rf64(data_bytes=16000),
    a_flac(),
    an_ogg(),
    an_ogg(codec="opus"),
    an_ogg(codec="flac"),
    an_mp3(told_frames=9),
    an_mp3(id3_bytes=64),
    an_m4a(has_film=True),
    an_m4a(version=2),
    a_webm(),
    an_aac(),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good file with some bytes changed, perhaps cut off."""
    content = bytearray(draw(st.sampled_from(SEEDS))[:4000])
    for _ in range(draw(st.integers(0, 8))):
        content[draw(st.integers(0, min(len(content), 600) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(0, len(content)))])


@settings(deadline=None, max_examples=400)
@given(content=damaged() | st.binary(max_size=600))
@example(b"\xff" * 100_000)
@example(b"OggS" * 40_000)
@example(b"ID3\x04\x00\x00\x00\x00\x00\x00" * 50)
def test_no_bytes_crash_it_and_little_is_read(content: bytes) -> None:
    file = CountingFile(content)
    with suppress(ValidationError):
        claim = probe(file, max_seconds=600, kinds=tuple(MIME_TYPES))
        assert claim.channels is None or 1 <= claim.channels <= 8
        assert 8000 <= claim.rate_hz <= 192_000
    assert file.taken < 300_000
