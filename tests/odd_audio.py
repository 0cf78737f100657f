"""Audio files good and odd, each with what becomes of it: for tests that hold probe and decoder together."""

import io
import random
import struct
from collections.abc import Iterator
from typing import NamedTuple

import soundfile

from inference.audio.answer import Refusal
from tests.audio import a_tone
from tests.audio_files import MP3_FRAME, a_wav, an_extensible_wav, an_mp3, an_ogg, an_rf64


class Case(NamedTuple):
    """One file.

    Attributes:
        outcome: seconds of decoded audio; or the beginning of the refusal at submission; or, where only
            decoding can tell, the decoder's.
    """

    name: str
    content: bytes
    outcome: float | str | Refusal


NO_TYPE = "this type of file is not supported"
BROKEN = "broken audio header"
CHUNK = struct.Struct("<4sI")


def made(container: str, codec: str, *, rate_hz: int = 48_000, channels: int = 2, **options: str) -> bytes:
    """Two seconds, by libsndfile's own encoders."""
    target = io.BytesIO()
    samples = a_tone(2.0, rate_hz=rate_hz, channels=channels)
    with soundfile.SoundFile(target, "w", rate_hz, channels, codec, None, container, **options) as file:
        for start in range(0, samples.shape[1], rate_hz):
            file.write(samples[:, start : start + rate_hz].T)
    return target.getvalue()


def an_id3(size: int, *, has_footer: bool = False) -> bytes:
    """A tag of nothing."""
    numbers = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    head = b"\x04\x00" + (b"\x10" if has_footer else b"\x00") + numbers
    return b"ID3" + head + bytes(size) + (b"3DI" + head if has_footer else b"")


def junk(size: int) -> bytes:
    return random.Random(size).randbytes(size)


WAV, FLAC = made("WAV", "PCM_16"), made("FLAC", "PCM_16")
VORBIS, OPUS = made("OGG", "VORBIS"), made("OGG", "OPUS")
MP3 = made("MP3", "MPEG_LAYER_III", bitrate_mode="CONSTANT")


def good_files() -> Iterator[Case]:
    """Every codec that is taken."""
    for codec in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"):
        yield Case(f"wav {codec}", made("WAV", codec), 2.0)
    for container in ("WAVEX", "RF64"):
        yield Case(container, made(container, "PCM_24", channels=6), 2.0)
    for codec in ("PCM_S8", "PCM_16", "PCM_24"):
        yield Case(f"flac {codec}", made("FLAC", codec), 2.0)
    yield Case("vorbis", VORBIS, 2.0)
    yield Case("opus", OPUS, 2.0)
    for mode in ("CONSTANT", "AVERAGE", "VARIABLE"):
        yield Case(f"mp3 {mode}", made("MP3", "MPEG_LAYER_III", bitrate_mode=mode), 2.0)
    for rate_hz in (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100):
        name, channels = f"mp3 {rate_hz} Hz", 1 if rate_hz < 16_000 else 2
        yield Case(name, made("MP3", "MPEG_LAYER_III", rate_hz=rate_hz, channels=channels), 2.0)


def odd_surroundings() -> Iterator[Case]:
    """Tags and junk around the audio; players find an MP3 in it, and no other."""
    for name, content in {"wav": WAV, "flac": FLAC, "vorbis": VORBIS, "opus": OPUS, "mp3": MP3}.items():
        yield Case(f"{name} behind a tag", an_id3(100_000) + content, 2.0)
        yield Case(f"{name} behind two tags", an_id3(100) + an_id3(7) + content, 2.0)
        yield Case(f"{name} behind a tag with a footer", an_id3(100, has_footer=True) + content, 2.0)
        yield Case(f"{name} before a tag", content + b"TAG" + bytes(125), 2.0)
        yield Case(f"{name} before junk", content + junk(5000), 2.0)
        yield Case(f"{name} before another", content + WAV, 2.0)
        others = NO_TYPE if name != "mp3" else 2.0
        for before in (bytes(1), bytes(500), junk(500), junk(60_000), b"APETAGEX" + bytes(124)):
            yield Case(f"{name} behind {before[:4]!r} of {len(before)}", before + content, others)
        yield Case(f"{name} behind a padded tag", an_id3(100) + bytes(200) + content, others)
        yield Case(f"{name} behind too much", junk(70_000) + content, NO_TYPE)


def odd_mp3s() -> Iterator[Case]:
    for cut in (1, 100, 385, 5000):  # the frame that tells a length is gone
        yield Case(f"mp3 without its first {cut} bytes", MP3[cut:], 2.0 - cut / len(MP3) * 2.0)
    yield Case("mp3, half of it", MP3[: len(MP3) // 2], 0.95)
    yield Case("mp3 in two", MP3[1000:] + an_id3(50_000) + MP3[1000:], 4.0)
    yield Case("mp3 with a scratch", MP3[:8000] + junk(300) + MP3[8300:], 2.0)
    yield Case("mp3 with a hole", MP3[:8000] + bytes(30_000) + MP3[8000:], Refusal.BROKEN)
    yield Case("mp3 of one frame", MP3_FRAME, NO_TYPE)
    yield Case("mp3 of two frames", MP3_FRAME * 2, 0.04)
    yield Case("mp3 of silence", an_mp3(), 1.04)
    yield Case("mpeg layer 2", (b"\xff\xfd\x90\x00" + bytes(413)) * 40, NO_TYPE)


def odd_wavs() -> Iterator[Case]:
    for bits in (4, 8, 12, 16, 20, 24, 32):
        yield Case(f"wav of {bits} bits", a_wav(bits=(bits + 7) // 8 * 8), 1.0)
    for bits in (40, 48, 64):
        yield Case(f"wav of {bits} bits", a_wav(bits=bits), f"{BROKEN}: {bits} bits per sample")
    for bits in (8, 16, 24):
        yield Case(f"float of {bits} bits", a_wav(tag=3, bits=bits), f"{BROKEN}: {bits} bits per sample")
    yield Case("ulaw that says 16 bits", a_wav(tag=7, bits=16), 2.0)
    for tag in (2, 0x11, 0x31, 0x40, 0x55, 0xFFFF):
        yield Case(f"wav of codec {tag}", a_wav(tag=tag), f"{BROKEN}: WAV encoding {tag} is not supported")
    for codec in ("IMA_ADPCM", "MS_ADPCM"):
        yield Case(f"wav {codec}", made("WAV", codec), f"{BROKEN}: WAV encoding")
    for size in (1 << 20, 1 << 31, 0xFFFFFFFF):
        yield Case(f"wav that claims {size} bytes", a_wav(claimed_bytes=size), 1.0)
    yield Case("wav that claims nothing", a_wav(claimed_bytes=0), "the file holds no audio")
    yield Case("wav of nothing", a_wav(seconds=0), "the file holds no audio")
    yield Case("wav of half a frame", a_wav(seconds=0) + b"x", "the file holds no audio")
    yield Case("wav, half of it", WAV[: len(WAV) // 2], 1.0)
    yield Case("wav of no size", WAV[:4] + bytes(4) + WAV[8:], 2.0)
    yield Case(
        "wav with a chunk in front", WAV[:12] + CHUNK.pack(b"JUNK", 5001) + bytes(5002) + WAV[12:], 2.0
    )
    yield Case("wav with a lying block size", WAV[:32] + b"\x00\x00" + WAV[34:], 2.0)
    yield Case("extensible", an_extensible_wav(), 1.0)
    yield Case("extensible of codec 0x2000", an_extensible_wav(sub_format=0x2000), f"{BROKEN}: WAV encoding")
    yield Case("rf64 that lies", an_rf64(data_bytes=1 << 63, frames=1 << 63), 1.0)
    yield Case("rifx", b"RIFX" + WAV[4:], NO_TYPE)
    yield Case("bw64", b"BW64" + made("RF64", "PCM_16")[4:], NO_TYPE)


def no_audio() -> Iterator[Case]:
    yield Case("text", b"this is a letter, not a song\n" * 3000, NO_TYPE)
    yield Case("nothing", b"", "a file without content is not supported")
    yield Case("a tag alone", an_id3(1000), "a file without content is not supported")
    yield Case("aiff", made("AIFF", "PCM_16"), NO_TYPE)
    yield Case("au", made("AU", "PCM_16"), NO_TYPE)
    yield Case("caf", made("CAF", "PCM_16"), NO_TYPE)


def odd_flacs_and_oggs() -> Iterator[Case]:
    yield Case("flac of unknown length", FLAC[:21] + bytes([FLAC[21] & 0xF0]) + bytes(4) + FLAC[26:], 2.0)
    yield Case("flac of a wrong hash", FLAC[:26] + bytes(range(16)) + FLAC[42:], 2.0)
    yield Case("flac, most of it", FLAC[: len(FLAC) * 9 // 10], Refusal.BROKEN)
    yield Case("flac with a scratch", FLAC[:30_000] + junk(300) + FLAC[30_300:], Refusal.BROKEN)
    yield Case("flac of a header", FLAC[:42], Refusal.EMPTY)
    yield Case("flac of half a header", FLAC[:30], BROKEN)
    last_page = VORBIS.rfind(b"OggS")
    yield Case("vorbis without its last page", VORBIS[:last_page], 1.08)
    yield Case("vorbis, little of it", VORBIS[: VORBIS.find(b"OggS", 100) + 1000], Refusal.EMPTY)
    yield Case("opus without its last page", OPUS[: OPUS.rfind(b"OggS")], 1.81)
    yield Case("opus, then vorbis", OPUS + VORBIS, 2.0)
    yield Case("speex", an_ogg(codec="speex"), f"{BROKEN}: no Vorbis, Opus or FLAC")
    yield Case("flac in ogg", an_ogg(codec="flac"), "the audio format oga is not supported")


CASES = (
    *good_files(),
    *odd_surroundings(),
    *odd_mp3s(),
    *odd_wavs(),
    *odd_flacs_and_oggs(),
    *no_audio(),
)
