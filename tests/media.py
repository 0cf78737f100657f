"""Files of the optional decoder's formats, made by its own encoders."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from inference.request import SAMPLE_RATE_HZ

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
FILES = {
    "m4a": ("mp4", "aac", {}),
    "m4a, index first": ("mp4", "aac", {"movflags": "faststart"}),
    "m4a in fragments": ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}),
    "alac": ("ipod", "alac", {}),
    "flac in mp4": ("mp4", "flac", {}),
    "mov": ("mov", "aac", {}),
    "aac": ("adts", "aac", {}),
    "webm": ("webm", "libopus", {}),
    "webm of a browser": ("webm", "libopus", {"live": "1"}),
    "matroska": ("matroska", "aac", {}),
    "oga": ("ogg", "flac", {}),
}
"""By name: container, codec and options of FFmpeg."""


def write_media(
    path: Path, samples: NDArray[np.float32], name: str = "m4a", *, rate_hz: int = SAMPLE_RATE_HZ
) -> Path:
    """Write (channels, samples) as one of FILES."""
    container, codec, options = FILES[name]
    layout = LAYOUTS[len(samples)]
    with av.open(str(path), "w", format=container, options=options) as file:
        stream = file.add_stream(codec, rate=rate_hz, layout=layout)
        context = stream.codec_context
        cut = av.AudioResampler(context.format.name, layout, rate_hz, frame_size=context.frame_size)
        for start in range(0, samples.shape[1], rate_hz):
            second = np.ascontiguousarray(samples[:, start : start + rate_hz])
            frame = av.AudioFrame.from_ndarray(second, format="fltp", layout=layout)
            frame.sample_rate, frame.time_base, frame.pts = rate_hz, Fraction(1, rate_hz), start
            for part in cut.resample(frame):
                file.mux(stream.encode(part))
        for part in cut.resample(None):
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return path
