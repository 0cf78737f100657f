"""The decode process: T17 of the tests of the diffusion engine, and files made to hurt."""

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inference.audio.answer import Decoded, Refusal, Refused
from tests.audio import a_tone, write_audio
from tests.integration.workers.conftest import Measured

pytestmark = pytest.mark.inference

Decode = Callable[..., Measured]
KINDS = {"wav24": "wav", "float": "wav", "opus": "ogg"}
"""What the decode process is told of some of the files of `write_audio`."""

BOMB_HOURS = float(os.environ.get("BOMB_HOURS", "0.2"))

# Samples by which a lossy codec may lengthen a file: one frame of MP3 at either end.
CODEC_SAMPLES = {"mp3": 2 * 1152, "ogg": 0, "opus": 0}


def normalised(tmp_path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    samples, rate_hz = soundfile.read(tmp_path / "target", dtype="float32")
    info = soundfile.info(tmp_path / "target")
    assert (rate_hz, info.channels, info.subtype) == (48_000, 2, "FLOAT")
    return np.asarray(samples.T)


@pytest.mark.parametrize("kind", ["wav", "wav24", "float", "flac", "mp3", "ogg", "opus"])
def test_t17_every_format_keeps_its_samples(decode: Decode, tmp_path: Path, kind: str) -> None:
    tone = a_tone(2.5)
    said = decode(write_audio(tmp_path / "x", tone, kind=kind), kind=KINDS.get(kind, kind)).answer
    samples = normalised(tmp_path)
    assert isinstance(said, Decoded)
    assert said.frames == samples.shape[1]
    assert abs(samples.shape[1] - tone.shape[1]) <= CODEC_SAMPLES.get(kind, 0)
    if kind in ("wav", "wav24", "float", "flac"):
        assert np.allclose(samples, tone, atol=1e-4)
    else:
        assert 0.3 < float(np.sqrt((samples**2).mean())) < 0.4


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 96_000, 192_000])
def test_t17_other_rates_become_48_khz(decode: Decode, tmp_path: Path, rate_hz: int) -> None:
    decode(write_audio(tmp_path / "x", a_tone(2.5, rate_hz=rate_hz), rate_hz=rate_hz))
    samples = normalised(tmp_path)
    assert samples.shape[1] == 120_000
    inner = slice(2_400, -2_400)
    assert np.allclose(samples[:, inner], a_tone(2.5)[:, inner], atol=2e-3)


@pytest.mark.parametrize("channels", [1, 6, 8])
def test_t17_other_channels_become_stereo(decode: Decode, tmp_path: Path, channels: int) -> None:
    tone = a_tone(1.0, channels=channels)
    decode(write_audio(tmp_path / "x", tone, kind="float"))
    samples = normalised(tmp_path)
    assert np.array_equal(samples[0], samples[1])
    assert np.allclose(samples[0], tone.mean(axis=0), atol=1e-6)


def test_samples_are_clamped(decode: Decode, tmp_path: Path) -> None:
    decode(write_audio(tmp_path / "x", 8.0 * a_tone(0.5, rate_hz=44_100), kind="float", rate_hz=44_100))
    assert float(np.abs(normalised(tmp_path)).max()) == 1.0


def test_a_flac_of_unknown_length_is_read_to_its_end(decode: Decode, tmp_path: Path) -> None:
    path = with_frames(write_audio(tmp_path / "x", a_tone(2.5), kind="flac"), 0)
    assert decode(path, kind="flac").answer == Decoded(frames=120_000, seconds=2.5)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("channels", [1, 2])
def test_an_mp3_that_does_not_tell_its_length_is_read_to_its_end(
    decode: Decode, tmp_path: Path, rate_hz: int, channels: int
) -> None:
    """The pause in front has a bit rate of its own, from which the library would guess the length."""
    song = np.concatenate(
        [np.zeros((channels, rate_hz)), a_tone(3.0, rate_hz=rate_hz, channels=channels)], axis=1
    )
    path = write_audio(tmp_path / "x", song.astype(np.float32), kind="mp3", rate_hz=rate_hz)
    content = path.read_bytes()
    path.write_bytes(content[content.index(content[:2], 2) :])  # without the frame that holds the count
    said = decode(path, kind="mp3").answer
    assert isinstance(said, Decoded)
    assert said.seconds == pytest.approx(4.0, abs=0.2)


def test_pictures_in_tags_are_skipped(decode: Decode, tmp_path: Path) -> None:
    music = write_audio(tmp_path / "x", a_tone(2.0), kind="mp3").read_bytes()
    size = 200 * 1024**2
    with (tmp_path / "tagged").open("wb") as file:
        file.write(b"ID3\x04\x00\x00" + sync_safe(size) + b"APIC" + sync_safe(size - 10) + b"\x00\x00")
        file.seek(size - 10, os.SEEK_CUR)
        file.write(music)
    measured = decode(tmp_path / "tagged", kind="mp3", start=size + 10)
    assert isinstance(measured.answer, Decoded)
    assert measured.answer.seconds == pytest.approx(2.0, abs=0.1)
    assert measured.grown_bytes < 64 * 1024**2


def refused_files(folder: Path) -> dict[str, tuple[Path, str, Refusal]]:
    """Write one file for each reason."""
    tone = a_tone(1.0)
    broken = tone.copy()
    broken[0, 47_000] = np.nan
    endless = tone.copy()
    endless[1, 3] = np.inf
    whole = write_audio(folder / "whole", tone, kind="flac").read_bytes()
    (folder / "head").write_bytes(whole[:20])
    (folder / "noise").write_bytes(b"fLaC" + np.random.default_rng(1).bytes(50_000))
    soundfile.write(folder / "nine", np.zeros((100, 9)), 48_000, format="WAV")
    soundfile.write(folder / "slow", np.zeros((100, 1)), 4_000, format="WAV")
    soundfile.write(folder / "aiff", np.zeros((100, 1)), 48_000, format="AIFF")
    soundfile.write(folder / "adpcm", np.zeros((100, 1)), 48_000, format="WAV", subtype="IMA_ADPCM")
    return {
        "another format": (folder / "aiff", "wav", Refusal.NOT_AUDIO),
        "another codec": (folder / "adpcm", "wav", Refusal.NOT_AUDIO),
        "another kind": (folder / "whole", "mp3", Refusal.NOT_AUDIO),
        "no samples": (write_audio(folder / "zero", tone[:, :0]), "wav", Refusal.EMPTY),
        "half a header": (folder / "head", "flac", Refusal.BROKEN),
        "noise": (folder / "noise", "flac", Refusal.BROKEN),
        "nan": (write_audio(folder / "nan", broken, kind="float"), "wav", Refusal.NOT_FINITE),
        "infinity": (write_audio(folder / "inf", endless, kind="float"), "wav", Refusal.NOT_FINITE),
        "nine channels": (folder / "nine", "wav", Refusal.TOO_MANY_CHANNELS),
        "4 kHz": (folder / "slow", "wav", Refusal.RATE),
    }


def test_unusable_files_are_refused_each_with_its_reason(decode: Decode, tmp_path: Path) -> None:
    files = refused_files(tmp_path)
    said = {name: decode(path, kind=kind).answer for name, (path, kind, _) in files.items()}
    assert said == {name: Refused(reason) for name, (_, _, reason) in files.items()}


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg"])
def test_a_truncated_file_is_refused_or_gives_what_is_there(
    decode: Decode, tmp_path: Path, kind: str
) -> None:
    whole = write_audio(tmp_path / "x", a_tone(5.0), kind=kind)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    said = decode(whole, kind=kind).answer
    assert said == Refused(Refusal.BROKEN) or (isinstance(said, Decoded) and 0.0 < said.seconds < 5.0)


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg"])
def test_t17_601_seconds_are_too_long_and_600_are_not(decode: Decode, tmp_path: Path, kind: str) -> None:
    for seconds, expected in ((601, Refused), (599, Decoded)):
        silence = np.zeros((1, seconds * 8_000), dtype=np.float32)
        path = write_audio(tmp_path / f"{seconds}", silence, kind=kind, rate_hz=8_000)
        assert isinstance(decode(path, kind=kind).answer, expected)


def silence_of(path: Path, kind: tuple[str, str], hours: float, *, channels: int = 2) -> Path:
    second = np.zeros((48_000, channels), dtype=np.float32)
    container, subtype = kind
    with soundfile.SoundFile(
        path, "w", samplerate=48_000, channels=channels, format=container, subtype=subtype
    ) as file:
        for _ in range(int(hours * 3600)):
            file.write(second)
    return path


def with_frames(path: Path, frames: int) -> Path:
    """Change the number of samples in a FLAC's header; 0 means that it is not known."""
    content = bytearray(path.read_bytes())
    (word,) = struct.unpack(">Q", content[18:26])
    content[18:26] = struct.pack(">Q", word >> 36 << 36 | frames)
    path.write_bytes(content)
    return path


def sync_safe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


@pytest.mark.parametrize(
    ("kind", "channels"),
    [(("FLAC", "PCM_16"), 2), (("FLAC", "PCM_16"), 8), (("OGG", "VORBIS"), 2), (("OGG", "OPUS"), 2)],
    ids=["flac", "flac of 8 channels", "vorbis", "opus"],
)
def test_a_bomb_costs_little_memory_and_time(
    decode: Decode, tmp_path: Path, kind: tuple[str, str], channels: int
) -> None:
    hours = BOMB_HOURS if kind[0] == "FLAC" else min(BOMB_HOURS, 1.0)
    bomb = silence_of(tmp_path / "bomb", kind, hours, channels=channels)
    tries = [bomb]
    if kind[0] == "FLAC":  # one header is honest, the other says that it does not know
        hidden = tmp_path / "hidden"
        hidden.write_bytes(bomb.read_bytes())
        tries.append(with_frames(hidden, 0))
    for path in tries:
        measured = decode(path, kind=kind[0].lower())
        if measured.cpu_s > 2.0:  # a loaded machine charges up to half as much again for the same work
            measured = min((decode(path, kind=kind[0].lower()) for _ in range(3)), key=lambda run: run.cpu_s)
        assert measured.answer == Refused(Refusal.TOO_LONG)
        assert measured.grown_bytes < 64 * 1024**2
        assert measured.cpu_s <= 2.0


def test_the_process_is_confined(tmp_path: Path) -> None:
    """Ask the process itself, after it has laid the limits on."""
    script = (
        "import resource, sys, numpy\n"
        "from pathlib import Path\n"
        "from inference.audio import decode\n"
        "decode.main()\n"
        "limits = [resource.getrlimit(getattr(resource, 'RLIMIT_' + name)) for name in ('CORE', 'CPU')]\n"
        "status = Path('/proc/self/status').read_text()\n"
        "print(limits == [(0, 0), (20, 20)], 'NoNewPrivs:\\t1' in status)\n"
        "try:\n"
        "    numpy.ones(100 * 1024**2, dtype=numpy.uint8)\n"
        "except MemoryError:\n"
        "    print('no memory')\n"
        "try:\n"
        "    Path(sys.argv[2]).write_bytes(bytes(1024**2))\n"
        "except OSError as error:\n"
        "    print(error.strerror)\n"
    )
    source = write_audio(tmp_path / "x", a_tone(0.1))
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            script,
            str(source),
            str(tmp_path / "target"),
            "--kind=wav",
            "--max-seconds=1",
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.stdout.splitlines()[1:] == ["True True", "no memory", "File too large"], ended.stderr
