"""Writes a finished clip as mp3, wav, flac or opus into the scratch folder."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import soundfile

from inference.audio.wave import Wave
from inference.errors import InvalidRequest
from inference.request import CHANNELS, SAMPLE_RATE_HZ, GeneratedClip


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFormat:
    """How libsndfile writes one of the offered formats."""

    container: str
    subtype: str
    options: dict[str, str | float] = field(default_factory=dict)


# mp3: variable bit rate at the best quality of LAME. All but opus, whose streams draw a serial number, give
# the same bytes for the same samples.
FORMATS = {
    "mp3": AudioFormat(
        container="MP3",
        subtype="MPEG_LAYER_III",
        options={"bitrate_mode": "VARIABLE", "compression_level": 0.0},
    ),
    "wav": AudioFormat(container="WAV", subtype="PCM_16"),
    "flac": AudioFormat(container="FLAC", subtype="PCM_16"),
    "opus": AudioFormat(container="OGG", subtype="OPUS"),
}

# One second at a time: libsndfile's encoders keep a chunk on the stack (libsndfile #1095).
_CHUNK_SAMPLES = SAMPLE_RATE_HZ


def check_format(name: str) -> None:
    """Accept the name of an offered format.

    Raises:
        InvalidRequest: it is not one of them.
    """
    if name not in FORMATS:
        raise InvalidRequest("audio_format", f"{name!r} is not one of {', '.join(FORMATS)}")


def encode(wave: Wave, *, index: int, audio_format: str, scratch_dir: Path) -> GeneratedClip:
    """Write `<index>.<format>` into the scratch folder; the name appears when the file is complete.

    Raises:
        InvalidRequest: the format is not offered.
        OSError: the file cannot be written (no space, no folder).
    """
    check_format(audio_format)
    path = scratch_dir / f"{index}.{audio_format}"
    draft = scratch_dir / f".{path.name}.part"
    try:
        _write(wave, draft, FORMATS[audio_format])
    except soundfile.LibsndfileError as error:
        raise OSError(f"cannot write {draft}: {error}") from error
    size_bytes, sha256 = _measure(draft)
    draft.replace(path)
    return GeneratedClip(
        index=index,
        path=str(path),
        format=audio_format,
        size_bytes=size_bytes,
        sha256=sha256,
        sample_rate=SAMPLE_RATE_HZ,
        channels=CHANNELS,
        duration=wave.samples.shape[1] / SAMPLE_RATE_HZ,
        seed=wave.seed,
        peak=wave.peak,
        silent=wave.silent,
    )


def _write(wave: Wave, path: Path, audio_format: AudioFormat) -> None:
    with soundfile.SoundFile(
        path,
        "w",
        samplerate=SAMPLE_RATE_HZ,
        channels=CHANNELS,
        format=audio_format.container,
        subtype=audio_format.subtype,
        **audio_format.options,
    ) as file:
        for start in range(0, wave.samples.shape[1], _CHUNK_SAMPLES):
            file.write(wave.samples[:, start : start + _CHUNK_SAMPLES].T)


def _measure(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), sha256
