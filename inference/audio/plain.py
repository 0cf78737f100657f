"""WAV, FLAC, MP3 and Ogg, decoded by libsndfile."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import RawIOBase

import numpy as np
import soundfile

from inference.audio.answer import Refusal
from inference.audio.mpeg import with_length
from inference.audio.source import Samples, Unusable

_WAV_CODECS = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")
_FLAC_CODECS = ("PCM_S8", "PCM_16", "PCM_24")
CODECS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "wav": {"WAV": _WAV_CODECS, "WAVEX": _WAV_CODECS, "RF64": _WAV_CODECS},
    "flac": {"FLAC": _FLAC_CODECS},
    "mp3": {"MP3": ("MPEG_LAYER_III",)},
    "ogg": {"OGG": ("VORBIS", "OPUS")},
}
"""By kind: formats and codecs of libsndfile, which knows many more."""

_UNKNOWN_FRAMES = 2**63 - 1  # what libsndfile says of a FLAC that was streamed when it was made


class _Forward(soundfile.SoundFile):  # type: ignore[misc]  # the library ships no type information
    """A file that is read once, from front to back.

    The library seeks after every read of a seekable file, which fails at the end of a FLAC of unknown length.
    """

    def seekable(self) -> bool:
        """Tell the library to leave the position alone."""
        return False


class _Plain:
    """A source over an open file of libsndfile."""

    def __init__(self, file: soundfile.SoundFile) -> None:
        self.channels = int(file.channels)
        self.rate_hz = int(file.samplerate)
        # For MP3 the number is a guess of libsndfile: size of the file, pictures included, by the bit rate.
        is_claim = file.format != "MP3" and file.frames != _UNKNOWN_FRAMES
        self.claimed_frames = int(file.frames) if is_claim else None
        self._file = file

    def blocks(self) -> Iterator[Samples]:
        block = np.empty((self.rate_hz, self.channels), dtype=np.float32)
        while len(samples := self._read(block)):
            yield samples

    def _read(self, block: Samples) -> Samples:
        try:
            samples: Samples = self._file.read(out=block)
        except soundfile.LibsndfileError as error:
            raise Unusable(Refusal.BROKEN) from error
        return samples


@contextmanager
def open_plain(file: RawIOBase, kind: str) -> Iterator[_Plain]:
    """Open a file of this kind.

    Raises:
        Unusable: it is of another kind, or broken.
    """
    try:
        opened = _Forward(with_length(file) if kind == "mp3" else file)
    except soundfile.LibsndfileError as error:
        raise Unusable(Refusal.BROKEN) from error
    with opened:
        if opened.subtype not in CODECS[kind].get(opened.format, ()):
            raise Unusable(Refusal.NOT_AUDIO)
        yield _Plain(opened)
