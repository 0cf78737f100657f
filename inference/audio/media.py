"""MP4, AAC, WebM and Ogg FLAC, decoded by PyAV (FFmpeg), which is an optional part of an installation."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import RawIOBase
from itertools import chain
from typing import Any

import av
import numpy as np

from inference.audio.answer import Refusal
from inference.audio.source import Samples, Unusable

_DEMUXERS = {"m4a": "mov", "aac": "aac", "webm": "matroska", "oga": "ogg"}
_CODECS = ("aac", "alac", "flac", "mp3float", "opus", "vorbis")
# FFmpeg looks into every stream of a file: films keep their pictures, and nothing outside the file is opened.
_OPTIONS = {"codec_whitelist": ",".join(_CODECS), "protocol_whitelist": ""}


class _Media:
    """A source over the first audio stream of an open container."""

    def __init__(self, frames: Iterator[Any]) -> None:
        first = next(frames, None)
        if first is None:
            raise Unusable(Refusal.EMPTY)
        # Not from the header: with spectral band replication AAC decodes to twice the rate that it names.
        self.rate_hz = int(first.sample_rate)
        self.channels = len(first.layout.channels)
        self.claimed_frames: int | None = None
        self._to_float = av.AudioResampler(format="flt", layout=first.layout, rate=self.rate_hz)
        self._frames = chain([first], frames)

    def blocks(self) -> Iterator[Samples]:
        held: list[Samples] = []
        frames = 0
        for samples in self._floats():
            held.append(samples)
            frames += len(samples)
            if frames >= self.rate_hz:
                yield np.concatenate(held)
                held, frames = [], 0
        if frames:
            yield np.concatenate(held)

    def _floats(self) -> Iterator[Samples]:
        for frame in self._frames:
            if frame.sample_rate != self.rate_hz or len(frame.layout.channels) != self.channels:
                raise Unusable(Refusal.BROKEN)
            for part in self._to_float.resample(frame):
                yield part.to_ndarray().reshape(-1, self.channels)


def _frames(packets: Iterable[Any]) -> Iterator[Any]:
    """Decode; as in a player, some broken packets are skipped: the last one of a torn file, a scratch.

    Raises:
        Unusable: more than one in ten is broken.
    """
    count = broken = 0
    for packet in packets:
        count += 1
        try:
            yield from packet.decode()
        except av.InvalidDataError:
            broken += 1
    if broken > 1 + count / 10:
        raise Unusable(Refusal.BROKEN)


@contextmanager
def open_media(file: RawIOBase, kind: str) -> Iterator[_Media]:
    """Open a file of this kind.

    Raises:
        Unusable: it holds no audio of a known codec, or is broken.
    """
    try:
        with av.open(file, format=_DEMUXERS[kind], options=_OPTIONS, metadata_errors="ignore") as container:
            stream = next(iter(container.streams.audio), None)
            if stream is None or stream.codec_context.name not in _CODECS:
                raise Unusable(Refusal.NOT_AUDIO)
            stream.codec_context.thread_count = 1
            yield _Media(_frames(container.demux(stream)))
    except av.FFmpegError as error:
        raise Unusable(Refusal.BROKEN) from error
