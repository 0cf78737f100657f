"""Audio files that tests begin with."""

import hashlib
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from inference.audio.wave import AudioClip
from inference.request import SAMPLE_RATE_HZ, InputAudio

FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "wav24": ("WAV", "PCM_24"),
    "float": ("WAV", "FLOAT"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
}


def a_tone(duration_s: float, *, rate_hz: int = SAMPLE_RATE_HZ, channels: int = 2) -> NDArray[np.float32]:
    """Return (channels, samples): a tone a channel, each of another pitch, at half of full scale."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    tones = [0.5 * np.sin(2.0 * np.pi * 220.0 * (channel + 1) * time_s) for channel in range(channels)]
    return np.stack(tones).astype(np.float32)


def write_audio(
    path: Path, samples: NDArray[np.float32], *, kind: str = "wav", rate_hz: int = SAMPLE_RATE_HZ
) -> Path:
    """Write (channels, samples) in one of FORMATS; in chunks, as Vorbis needs it."""
    container, subtype = FORMATS[kind]
    with soundfile.SoundFile(
        path, "w", samplerate=rate_hz, channels=len(samples), format=container, subtype=subtype
    ) as file:
        for start in range(0, samples.shape[1], rate_hz):
            file.write(samples[:, start : start + rate_hz].T)
    return path


def a_clip_of(samples: NDArray[np.float32]) -> AudioClip:
    """Return the samples as the engine gets them."""
    return AudioClip(samples=samples, sha256=hashlib.sha256(samples.tobytes()).hexdigest())


def an_input(path: Path, samples: NDArray[np.float32]) -> InputAudio:
    """Write a normalised file, as the decode process leaves it."""
    write_audio(path, samples, kind="float")
    return InputAudio(path=str(path), sha256=a_clip_of(samples).sha256)
