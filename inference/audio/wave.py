"""Sample arrays on their way into the model and out of it, and the gain rule before the encoder."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from inference.errors import AudioUnreadable, NumericalError
from inference.language import LanguageRecord, Song
from inference.request import CHANNELS, SAMPLE_RATE_HZ, InputAudio

# -1 dBFS, the loudness of the library's own output.
TARGET_PEAK = 10.0 ** (-1.0 / 20.0)
# -80 dBFS: below this an output is silence, and gain would only make its rounding errors audible.
SILENCE_PEAK = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioClip:
    """One input of a request.

    Attributes:
        samples: (2, samples) float32, 48 kHz, within [-1, 1], at least one sample.
        sha256: of the client's original bytes, hex.
    """

    samples: NDArray[np.float32]
    sha256: str

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[1] / SAMPLE_RATE_HZ)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """One clip before encoding.

    Attributes:
        samples: (2, samples) float32, 48 kHz, within [-1, 1].
        seed: of the item.
        peak: highest absolute sample that the model made, before the gain.
        silent: whether that peak was below -80 dBFS.
    """

    samples: NDArray[np.float32]
    seed: int
    peak: float
    silent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """What the model made of one request; the accelerator is free again, no file is written yet.

    Fields other than `waves` are those of `GenerationResult`.
    """

    waves: tuple[Wave, ...]
    song: Song = field(default_factory=Song)
    language: LanguageRecord = field(default_factory=LanguageRecord)
    effective: dict[str, Any] = field(default_factory=dict)
    audit: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_bytes: int | None = None


def read_clip(audio: InputAudio | None) -> AudioClip | None:
    """Read a normalised input file; None stays None.

    Raises:
        AudioUnreadable: it is not what the decode process writes.
    """
    if audio is None:
        return None
    try:
        samples, rate_hz = soundfile.read(audio.path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioUnreadable("an input audio file cannot be read") from error
    if rate_hz != SAMPLE_RATE_HZ or samples.shape[1] != CHANNELS or not len(samples):
        raise AudioUnreadable("an input audio file is not normalised")
    return AudioClip(samples=samples.T, sha256=audio.sha256)


def level(samples: NDArray[np.float32], *, seed: int) -> Wave:
    """Bring one clip to -1 dBFS, leave near-silence as it is.

    Args:
        samples: (2, samples) float32 as decoded, any range.

    Raises:
        NumericalError: a sample is not finite.

    Source: the gain of diffusers 0.42.1 AceStepPipeline.__call__, without its amplification of silence.
    """
    peak = float(np.abs(samples).max(initial=0.0))
    if not np.isfinite(peak):
        raise NumericalError("the model produced samples that are not finite")
    silent = peak < SILENCE_PEAK
    gain = 1.0 if silent else TARGET_PEAK / peak
    return Wave(samples=(samples * np.float32(gain)), seed=seed, peak=peak, silent=silent)
