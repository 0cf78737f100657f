"""`python -m inference.audio.decode SOURCE TARGET`: one client file to float32 wav, 48 kHz, stereo.

A process of its own, because decoders may crash and silence compresses without limit: it confines itself,
goes in blocks of one second, counts what it has decoded instead of believing the header, and keeps nothing.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from inference.audio.answer import MAX_CHANNELS, RATES_HZ, Answer, Decoded, Refusal, Refused, write
from inference.confine import confine, die_with_parent
from inference.request import CHANNELS, SAMPLE_RATE_HZ

ADDRESS_BYTES = 1024**3
DATA_BYTES = 64 * 1024**2  # libmpg123 would take a picture of 250 MB into memory; so it skips the tag
CPU_S = 20
# Encoders pad to whole frames; what the API makes of the header allows the same.
PADDING_S = 0.25
_CONTAINERS = ("WAV", "WAVEX", "RF64", "FLAC", "MP3", "OGG")
_CODECS = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW", "MPEG_LAYER_", "VORBIS", "OPUS")
_WAV_HEADER_BYTES = 4096
_UNKNOWN_FRAMES = 2**63 - 1  # what libsndfile says of a FLAC that was streamed when it was made

Samples = NDArray[np.float32]


class _Forward(soundfile.SoundFile):  # type: ignore[misc]  # the library ships no type information
    """A file that is read once, from front to back.

    The library seeks after every read of a seekable file, which fails at the end of a FLAC of unknown length.
    """

    def seekable(self) -> bool:
        """Tell the library to leave the position alone."""
        return False


class _Unusable(Exception):
    """The file is refused."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason = reason


def decode(source: Path, target: Path, *, max_seconds: float) -> Answer:
    """Write the normalised file; after a refusal the target holds nothing of use.

    Args:
        max_seconds: of decoded audio; a longer file is refused.

    Raises:
        OSError: a file cannot be read or written.
    """
    try:
        _check_magic(source)
        with _Forward(source) as file:
            _check_header(file, max_seconds)
            frames = _write(target, _resampled(_mixed(file, max_seconds), file.samplerate))
    except _Unusable as refused:
        return Refused(refused.reason)
    except soundfile.LibsndfileError:
        return Refused(Refusal.BROKEN)
    return Decoded(frames=frames, seconds=frames / SAMPLE_RATE_HZ)


def _check_magic(source: Path) -> None:
    """Keep all else from libsndfile, which knows many formats more."""
    with source.open("rb") as file:
        head = file.read(12)
    is_wave = head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:] == b"WAVE"
    is_mpeg_frame = head[:1] == b"\xff" and head[1:2] >= b"\xe0"
    if not (is_wave or is_mpeg_frame or head.startswith((b"fLaC", b"OggS", b"ID3"))):
        raise _Unusable(Refusal.NOT_AUDIO)


def _check_header(file: soundfile.SoundFile, max_seconds: float) -> None:
    """Refuse what the header admits; it may lie, so the samples are counted all the same."""
    if file.format not in _CONTAINERS or not file.subtype.startswith(_CODECS):
        raise _Unusable(Refusal.NOT_AUDIO)
    if file.channels > MAX_CHANNELS:
        raise _Unusable(Refusal.TOO_MANY_CHANNELS)
    if not RATES_HZ[0] <= file.samplerate <= RATES_HZ[1]:
        raise _Unusable(Refusal.RATE)
    # For MP3 the number is a guess of libsndfile: size of the file, pictures included, by the bit rate.
    is_claim = file.format != "MP3" and file.frames != _UNKNOWN_FRAMES
    if is_claim and file.frames > (max_seconds + PADDING_S) * file.samplerate:
        raise _Unusable(Refusal.TOO_LONG)


def _mixed(file: soundfile.SoundFile, max_seconds: float) -> Iterator[Samples]:
    """Yield seconds of (frames, 1 or 2) within [-1, 1]: stereo as it is, all else as the channels' mean.

    Raises:
        _Unusable: longer than allowed, not finite, or without any sample.
    """
    block = np.empty((file.samplerate, file.channels), dtype=np.float32)
    shares = np.full((file.channels, 1), 1.0 / file.channels, dtype=np.float32)
    decoded = 0
    while len(samples := file.read(out=block)):
        decoded += len(samples)
        if decoded > (max_seconds + PADDING_S) * file.samplerate:
            raise _Unusable(Refusal.TOO_LONG)
        samples = _bounded(samples)
        yield samples if file.channels == CHANNELS else samples @ shares
    if not decoded:
        raise _Unusable(Refusal.EMPTY)


def _bounded(samples: Samples) -> Samples:
    lowest, highest = samples.min(), samples.max()  # NaN goes through both
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise _Unusable(Refusal.NOT_FINITE)
    return samples if lowest >= -1.0 and highest <= 1.0 else np.clip(samples, -1.0, 1.0)


def _resampled(blocks: Iterator[Samples], rate_hz: int) -> Iterator[Samples]:
    """Yield the same at 48 kHz."""
    if rate_hz == SAMPLE_RATE_HZ:
        yield from blocks
        return
    stream = None
    for block in blocks:
        stream = stream or soxr.ResampleStream(
            rate_hz, SAMPLE_RATE_HZ, block.shape[1], dtype="float32", quality="HQ"
        )
        yield stream.resample_chunk(block)
    if stream is not None:
        yield stream.resample_chunk(np.empty((0, block.shape[1]), dtype=np.float32), last=True)


def _write(target: Path, blocks: Iterator[Samples]) -> int:
    """Write the blocks in stereo as they come; returns the number of frames."""
    with soundfile.SoundFile(
        target, "w", samplerate=SAMPLE_RATE_HZ, channels=CHANNELS, format="WAV", subtype="FLOAT"
    ) as file:
        for block in blocks:
            if len(block):  # else the resampler is still filling; its filter overshoots at steps
                file.write(np.broadcast_to(_bounded(block), (len(block), CHANNELS)))
        return int(file.frames)


def main() -> int:
    """Confine the process, decode, answer on standard output; the exit status is 1 after a refusal."""
    parser = argparse.ArgumentParser(prog="python -m inference.audio.decode", description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--max-seconds", type=float, required=True)
    arguments = parser.parse_args()
    die_with_parent()
    frame_bytes = CHANNELS * np.dtype(np.float32).itemsize
    confine(
        address_bytes=ADDRESS_BYTES,
        data_bytes=DATA_BYTES,
        cpu_s=CPU_S,
        file_bytes=int(arguments.max_seconds + 1) * SAMPLE_RATE_HZ * frame_bytes + _WAV_HEADER_BYTES,
    )
    answer = decode(arguments.source, arguments.target, max_seconds=arguments.max_seconds)
    sys.stdout.buffer.write(write(answer))
    return int(isinstance(answer, Refused))


if __name__ == "__main__":
    sys.exit(main())
