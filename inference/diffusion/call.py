"""One call of the pipeline: what it works on, where it is, and its lengths in latent frames."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from inference.audio.wave import AudioClip
from inference.diffusion.conditioning import Conditioning
from inference.diffusion.cover import CoverSwitch
from inference.errors import Cancelled
from inference.request import LATENT_RATE_HZ, SAMPLES_PER_FRAME, ItemSpec, OnProgress, ShouldCancel


@dataclass(slots=True, kw_only=True)
class Call:
    """State of the call in progress, which the signature of the library's call has no place for.

    Attributes:
        switch: None while the whole call follows one condition.
        token_counts: prompt and lyrics tokens of each item, before the cut.
    """

    items: Sequence[ItemSpec]
    duration_s: float
    conditioning: Conditioning
    on_progress: OnProgress
    should_cancel: ShouldCancel
    switch: CoverSwitch | None = None
    token_counts: list[tuple[int, int]] = field(default_factory=list)
    encoded: int = 0

    @contextmanager
    def encoding(self) -> Iterator[None]:
        """Tell the progress around one of text, source and reference; stop before or after it if asked to."""
        self.stop_if_asked()
        inputs = (self.conditioning.source, self.conditioning.reference)
        total = 1 + sum(clip is not None for clip in inputs)
        self.on_progress("encoding", self.encoded, total)
        yield
        self.encoded += 1
        self.on_progress("encoding", self.encoded, total)
        self.stop_if_asked()

    def stop_if_asked(self) -> None:
        """Raise Cancelled if the caller wants that."""
        if self.should_cancel():
            raise Cancelled("cancelled")


def latent_frames(duration_s: float) -> int:
    """Return the frames of a clip of at least that length; 16.44 s are 411 also in floating point."""
    return math.ceil(round(duration_s * LATENT_RATE_HZ, 6))


def whole_frames(clip: AudioClip | None) -> Tensor | None:
    """Return the samples (2, frames x 1 920) with silence behind them up to the next latent frame."""
    if clip is None:
        return None
    samples = torch.from_numpy(clip.samples)
    return torch.nn.functional.pad(samples, (0, -samples.shape[1] % SAMPLES_PER_FRAME))


def whole_window(window: tuple[float, float] | None) -> tuple[float | None, float | None]:
    """Return seconds of which the library makes exactly the frames that a window touches.

    It cuts both ends down to a frame: the last part of a frame would be kept, and 1.16 s be frame 28, not 29.
    """
    if window is None:
        return None, None
    first, end = (round(edge_s * LATENT_RATE_HZ, 6) for edge_s in window)
    return (math.floor(first) + 0.5) / LATENT_RATE_HZ, (math.ceil(end) + 0.5) / LATENT_RATE_HZ
