"""Bodies that clients should not send: lies, bombs, junk and floods, each with what may become of it."""

import json
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.audio_files import a_flac, a_wav, an_extensible_wav, an_mp3, an_ogg, an_rf64
from tests.media_files import a_box, a_webm, an_aac, an_element, an_m4a

BOUNDARY = b"limit-of-a-part"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY.decode()}"
JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Hostile:
    """One request; `may_be_accepted` where only decoding can tell."""

    name: str
    content_type: str
    body: Callable[[], Iterator[bytes]]
    may_be_accepted: bool = False


def form_with(content: bytes, *, name: str = "song.wav", field: str = "src_audio") -> Iterator[bytes]:
    head = f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\nContent-Type: audio/wav'
    yield b"--" + BOUNDARY + b"\r\n" + head.encode() + b"\r\n\r\n"
    yield from (content[at : at + 65536] for at in range(0, len(content), 65536))
    yield b"\r\n--" + BOUNDARY + b"--\r\n"


def a_file(name: str, content: bytes, *, may_be_accepted: bool = False) -> Hostile:
    return Hostile(name, MULTIPART, lambda: form_with(content), may_be_accepted)


def endless_file() -> Iterator[bytes]:
    yield next(form_with(b""))
    while True:
        yield bytes(65536)


def endless(chunk: bytes) -> Callable[[], Iterator[bytes]]:
    def body() -> Iterator[bytes]:
        while True:
            yield chunk

    return body


def once(content: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: iter([content])


def lying_headers() -> Iterator[Hostile]:
    for hours in (1, 6, 24):
        yield a_file(f"flac of {hours} h", a_flac(frames=48000 * 3600 * hours, rate=48000))
        yield a_file(f"vorbis of {hours} h", an_ogg(position=44100 * 3600 * hours))
        yield a_file(f"opus of {hours} h", an_ogg(codec="opus", position=48000 * 3600 * hours))
        yield a_file(f"mp3 of {hours} h", an_mp3(told_frames=138_000 * hours))
    for rate in (0, 1, 7999, 192_001, 655_350):
        yield a_file(f"flac of {rate} Hz", a_flac(rate=rate))
        yield a_file(f"wav of {rate} Hz", a_wav(seconds=0.1, rate=rate))
    yield a_file("wav of 2^32-1 Hz", a_wav(seconds=0, rate=0xFFFFFFFF))
    for channels in (0, 9, 255):
        yield a_file(f"wav of {channels} channels", a_wav(seconds=0.1, channels=channels))
        yield a_file(f"vorbis of {channels} channels", an_ogg(channels=channels))
    yield a_file("wav of 65535 channels", a_wav(seconds=0, channels=65535))
    yield a_file("flac of 2^36 frames", a_flac(frames=(1 << 36) - 1))
    yield a_file("ogg of 2^63 frames", an_ogg(position=(1 << 63) - 1))
    for tag in (0, 2, 0x11, 0x55, 0xFFFF):
        yield a_file(f"wav with encoding {tag}", a_wav(tag=tag))
    for claimed in (1 << 20, 1 << 31, 0xFFFFFFFF):
        yield a_file(f"wav claims {claimed} bytes", a_wav(claimed_bytes=claimed), may_be_accepted=True)
    for claimed in (1 << 33, 1 << 63, (1 << 64) - 1):
        yield a_file(
            f"rf64 claims {claimed}", an_rf64(data_bytes=claimed, frames=1 << 63), may_be_accepted=True
        )
    yield a_file("id3 of 256 MB, absent", an_mp3(id3_bytes=256 * 1024**2 - 1)[:100])
    yield a_file("id3 of 30 MB, true", b"ID3\x04\x00\x00\x0e\x20\x00\x00" + bytes(30 * 1024**2))
    yield a_file("nested id3", b"ID3\x04\x00\x00\x00\x00\x00\x00" * 100_000)


def hostile_media() -> Iterator[Hostile]:
    for hours in (1, 24):
        yield a_file(f"m4a of {hours} h", an_m4a(seconds=3600 * hours))
        yield a_file(f"webm of {hours} h", a_webm(seconds=3600 * hours))
    for channels in (0, 9, 255):
        yield a_file(f"m4a of {channels} channels", an_m4a(channels=channels))
    yield a_file("webm of 255 channels", a_webm(channels=255))
    for rate in (1, 7999, 192_001):
        yield a_file(f"quicktime of {rate} Hz", an_m4a(rate=rate, version=2))
        yield a_file(f"webm of {rate} Hz", a_webm(rate=rate))
    for codec in (b"enca", b"avc1", b"\0\0\0\0"):
        yield a_file(f"m4a with {codec!r}", an_m4a(codec=codec))
    for codec in (b"A_PCM/INT/LIT", b"V_VP9", b""):
        yield a_file(f"webm with {codec!r}", a_webm(codec=codec))
    head = a_box(b"ftyp", b"isom")
    yield a_file("m4a of boxes", head + a_box(b"free", b"") * 1_000_000)
    yield a_file("m4a of tracks", head + a_box(b"moov", a_box(b"trak", a_box(b"mdia", b"")) * 300_000))
    deep = b""
    for _ in range(2000):
        deep = a_box(b"moov", deep)
    yield a_file("m4a of a deep box", head + deep)
    yield a_file("webm of elements", a_webm()[:28] + an_element(0xEC, b"") * 500_000)
    yield a_file("aac that never ends", an_aac(frames=2) + bytes(30 * 1024**2), may_be_accepted=True)


def damaged_files() -> Iterator[Hostile]:
    chance = random.Random(20)
    seeds = [a_wav(), an_extensible_wav(), a_flac(), an_ogg(), an_ogg(codec="opus"), an_mp3(told_frames=9)]
    seeds += [an_m4a(), a_webm(), an_aac()]
    for number in range(60):
        content = bytearray(seeds[number % len(seeds)])
        for _ in range(1 + number % 7):
            content[chance.randrange(min(64, len(content)))] = chance.randrange(256)
        yield a_file(f"damaged {number}", bytes(content), may_be_accepted=True)
    for number, seed in enumerate(seeds):
        for size in (3, 11, 27):
            yield a_file(f"seed {number} cut after {size} bytes", seed[:size])
        yield a_file(f"seed {number} cut in its audio", seed[: len(seed) // 2 + 60], may_be_accepted=True)


def renamed_files() -> Iterator[Hostile]:
    heads = {
        "text": b"not audio at all\n" * 1000,
        "html": b"<!doctype html><script>alert(1)</script>",
        "elf": b"\x7fELF\x02\x01\x01" + bytes(1000),
        "zip": b"PK\x03\x04" + random.Random(1).randbytes(100_000),
        "gzip": b"\x1f\x8b\x08\x00" + random.Random(2).randbytes(100_000),
        "pickle": b"\x80\x04\x95" + bytes(100),
        "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "m4a": b"\x00\x00\x00\x20ftypM4A \x00\x00" + bytes(100),
        "webm": b"\x1aE\xdf\xa3" + bytes(100),
        "aac": b"\xff\xf1\x50\x80" + bytes(1000),
        "aiff": b"FORM\x00\x00\x01\x00AIFF" + bytes(100),
        "avi": b"RIFF\x00\x00\x01\x00AVI " + bytes(100),
        "midi": b"MThd\x00\x00\x00\x06" + bytes(100),
        "m3u8": b"#EXTM3U\nhttp://169.254.169.254/latest/meta-data\n",
        "zeros": bytes(1_000_000),
        "ones": b"\xff" * 1_000_000,
        "syncs": b"\xff\xfb\x90\x00" * 100_000,
        "speex": an_ogg(codec="speex"),
        "chunks": b"RIFF\x00\x00\x00\x00WAVE" + b"junk\x00\x00\x00\x00" * 100_000,
        "pages": b"OggS" * 100_000,
        "empty": b"",
    }
    for name, content in heads.items():
        yield a_file(f"renamed {name}", content)
    for number in range(10):
        yield a_file(f"random {number}", random.Random(number).randbytes(50_000))


def large_bodies() -> Iterator[Hostile]:
    yield Hostile("endless file", MULTIPART, endless_file)
    yield Hostile("endless preamble", MULTIPART, endless(b"x" * 65536))
    yield Hostile("endless header", MULTIPART, lambda: endless_header())
    yield Hostile("endless json", JSON, endless(b"[" * 65536))
    yield Hostile("endless form", URLENCODED, endless(b"a=1&" * 16384))
    yield Hostile("endless something", "text/plain", endless(b"{" * 65536))
    yield a_file("file above its limit", bytes(33 * 1024**2))
    for field in ("ctx_audio", "unknown"):
        yield Hostile(f"endless {field}", MULTIPART, lambda field=field: endless_named(field))


def endless_header() -> Iterator[bytes]:
    yield b"--" + BOUNDARY + b"\r\nContent-Disposition: form-data; name="
    while True:
        yield b"x" * 65536


def endless_named(field: str) -> Iterator[bytes]:
    yield next(form_with(b"", field=field))
    while True:
        yield bytes(65536)


def many_fields(count: int) -> Iterator[bytes]:
    one = b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
    for _ in range(0, count, 1000):
        yield one * 1000
    yield b"--" + BOUNDARY + b"--\r\n"


def odd_structures() -> Iterator[Hostile]:
    yield Hostile("a million multipart fields", MULTIPART, lambda: many_fields(1_000_000))
    yield Hostile("a million form fields", URLENCODED, once(b"a=&" * 1_000_000))
    yield Hostile("half a million form fields", URLENCODED, once(b"a=&" * 500_000))
    for depth in (65, 1000, 100_000, 1_000_000):
        yield Hostile(f"json {depth} deep", JSON, once(b'{"a":' + b"[" * depth + b"]" * depth + b"}"))
        yield Hostile(f"objects {depth} deep", JSON, once(b'{"a":' * depth + b"1" + b"}" * depth))
    yield Hostile("lyrics of 2 MB", JSON, once(json.dumps({"lyrics": "la " * 690_000}).encode()))
    yield Hostile("lyrics of 3 MB", URLENCODED, once(b"lyrics=" + b"la+" * 1_000_000))
    yield Hostile("percent signs", URLENCODED, once(b"prompt=" + b"%" * 1_000_000))
    yield Hostile("no boundary", "multipart/form-data", lambda: form_with(a_wav()))
    yield Hostile("other boundary", "multipart/form-data; boundary=x", lambda: form_with(a_wav()))
    yield Hostile("cut off", MULTIPART, once(b"".join(form_with(a_wav()))[:-30]))
    yield Hostile("compressed", "application/gzip", once(b"\x1f\x8b\x08\x00" + bytes(1000)))
    for charset in ("zip", "punycode", "idna", "bz2", "rot13", "unicode_escape", "utf-7"):
        yield Hostile(f"charset {charset}", f"{URLENCODED}; charset={charset}", once(b"prompt=x"))
    for lie in (b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 99999999999", b"\x00: x"):
        head = b'\r\nContent-Disposition: form-data; name="src_audio"; filename="a"\r\n' + lie
        tail = b"\r\n\r\n" + a_wav() + b"\r\n--" + BOUNDARY + b"--\r\n"
        yield Hostile(f"part header {lie!r}", MULTIPART, once(b"--" + BOUNDARY + head + tail))
    for number in range(8):
        junk = struct.pack("<Q", number) + random.Random(number).randbytes(5000)
        yield Hostile(f"junk {number}", MULTIPART, once(b"--" + BOUNDARY + b"\r\n" + junk))


CASES = [
    *lying_headers(),
    *hostile_media(),
    *damaged_files(),
    *renamed_files(),
    *large_bodies(),
    *odd_structures(),
]
