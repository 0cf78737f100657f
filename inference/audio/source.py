"""What a decoder of the decode process offers: samples in blocks, read once from front to back."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference.audio.answer import Refusal

Samples = NDArray[np.float32]


class Unusable(Exception):
    """The file is refused."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason = reason


class Source(Protocol):
    """An opened file.

    Attributes:
        claimed_frames: length by the header; None if it tells nothing reliable.
    """

    channels: int
    rate_hz: int
    claimed_frames: int | None

    def blocks(self) -> Iterator[Samples]:
        """Yield (frames, channels) of about one second; a block is valid until the next one.

        Raises:
            Unusable: the decoder gives up.
        """
