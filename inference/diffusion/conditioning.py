"""What a batch listens to besides its texts: a source to work on, a reference for the sound, a window."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from inference.audio.wave import AudioClip
from inference.diffusion.tasks import WITH_SOURCE, WITH_WINDOW
from inference.errors import InvalidRequest
from inference.request import CHANNELS, SAMPLE_RATE_HZ, GenerationRequest

FADE_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditioning:
    """Audio inputs of one batch.

    Attributes:
        source: None where there is none to work on; else it decides about the length.
        window: seconds of the source that are made anew; None = all of it.
        cover_strength: share of the steps that follow source or codes; None without either.
        keep_source: outside the window the output is the source itself.
    """

    task_type: str = "text2music"
    source: AudioClip | None = None
    reference: AudioClip | None = None
    window: tuple[float, float] | None = None
    cover_strength: float | None = None
    keep_source: bool = False

    def finish(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cut decoded samples (2, samples) to the source's length; outside the window put the source back."""
        if self.source is None:
            return samples
        samples = samples[:, : self.source.samples.shape[1]]
        if self.window is None or not self.keep_source:
            return samples
        return _paste(samples, self.source.samples, self.window)


def settle_conditioning(
    request: GenerationRequest,
    *,
    source: AudioClip | None,
    reference: AudioClip | None,
    has_codes: bool,
    keep_source: bool,
) -> Conditioning:
    """Check the audio inputs against the task; what it has no use for is left out.

    Args:
        has_codes: the items have audio codes, which a cover follows instead of a source.
        keep_source: the wish of the installation; only a repaint promises to leave the source alone.

    Raises:
        InvalidRequest: no source where one is needed, or a window or strength outside its range.
    """
    task, window = request.task_type, None
    if task not in WITH_SOURCE or has_codes:
        source = None
    elif source is None:
        raise InvalidRequest("source", f"{task} needs a source audio")
    elif task in WITH_WINDOW:
        source, window = _window(source, request.repaint_start, request.repaint_end)
    return Conditioning(
        task_type=task,
        source=source,
        reference=reference,
        window=window,
        cover_strength=_cover_strength(request.cover_strength) if task == "cover" or has_codes else None,
        keep_source=keep_source and task == "repaint",
    )


def _cover_strength(given: float) -> float:
    if not 0.0 <= given <= 1.0:
        raise InvalidRequest("cover_strength", f"{given} is not from 0 to 1")
    return given


def _window(source: AudioClip, start_s: float, end_s: float | None) -> tuple[AudioClip, tuple[float, float]]:
    """Return source and window; a negative start puts silence before the source, to be filled."""
    if end_s is None or end_s <= 0.0 or end_s > source.duration_s:
        end_s = source.duration_s
    if not start_s < end_s:
        raise InvalidRequest(
            "repaint_start", f"{start_s} s is not before {end_s:.3f} s, the end of the part to repaint"
        )
    if start_s >= 0.0:
        return source, (start_s, end_s)
    silence = np.zeros((CHANNELS, round(-start_s * SAMPLE_RATE_HZ)), dtype=np.float32)
    longer = replace(source, samples=np.concatenate([silence, source.samples], axis=1))
    return longer, (0.0, end_s - start_s)


def _paste(
    made: NDArray[np.float32], source: NDArray[np.float32], window: tuple[float, float]
) -> NDArray[np.float32]:
    """Keep the source outside the window, with equal-power crossfades at both edges, inside the window.

    Args:
        made, source: (2, samples) of one length.
    """
    start, end = (round(edge * SAMPLE_RATE_HZ) for edge in window)
    fade = min(round(FADE_S * SAMPLE_RATE_HZ), (end - start) // 2)
    angle = np.zeros(source.shape[1])
    angle[start:end] = np.pi / 2.0
    ramp = (np.arange(fade) + 0.5) / max(fade, 1) * np.pi / 2.0
    if start > 0:
        angle[start : start + fade] = ramp
    if end < len(angle):
        angle[end - fade : end] = ramp[::-1]
    mixed = np.sin(angle) * made + np.cos(angle) * source
    kept = angle == 0.0
    mixed[:, kept] = source[:, kept]  # exactly
    return mixed.astype(np.float32)


@contextmanager
def seeded_by(sha256: str, device: torch.device) -> Iterator[None]:
    """Draw from the global generators as the content of a file says, and leave them as they were.

    The library's encoder samples from them. Not the item's seed: the source is encoded once for the batch.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(sha256[:16], 16) % 2**63)
        yield
