"""`python -m inference.audio.decode SOURCE TARGET`: one client file to float32 wav, 48 kHz, stereo.

A process of its own, because decoders may crash and silence compresses without limit: it confines itself,
goes in blocks of one second, counts what it has decoded instead of believing the header, and keeps nothing.
What the file is, and where in it the audio lies, the parent has found out.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import RawIOBase
from pathlib import Path

import numpy as np
import soundfile
import soxr

from inference.audio.answer import MAX_CHANNELS, RATES_HZ, Answer, Decoded, Refusal, Refused, write
from inference.audio.kinds import MEDIA_KINDS, PLAIN_KINDS
from inference.audio.source import Samples, Source, Unusable
from inference.audio.window import Window
from inference.confine import confine, die_with_parent
from inference.request import CHANNELS, SAMPLE_RATE_HZ

ADDRESS_BYTES = 1024**3
DATA_BYTES = 64 * 1024**2
CPU_S = 20
# Encoders pad to whole frames; what the API makes of the header allows the same.
PADDING_S = 0.25
_WAV_HEADER_BYTES = 4096

_Opener = Callable[[RawIOBase, str], AbstractContextManager[Source]]


def opener_of(kind: str) -> _Opener:
    """Load the decoder for a kind of files.

    Raises:
        ImportError: it is optional and not installed.
    """
    if kind in MEDIA_KINDS:
        from inference.audio.media import open_media

        return open_media
    from inference.audio.plain import open_plain

    return open_plain


def decode(
    source: Path, target: Path, *, kind: str, start: int = 0, end: int | None = None, max_seconds: float
) -> Answer:
    """Write the normalised file; after a refusal the target holds nothing of use.

    Args:
        kind: one of PLAIN_KINDS or MEDIA_KINDS.
        start: offset of the audio in the file.
        end: offset behind it; None = the end of the file.
        max_seconds: of decoded audio; a longer file is refused.

    Raises:
        OSError: a file cannot be read or written.
    """
    open_source = opener_of(kind)
    try:
        with source.open("rb") as file, open_source(Window(file, start, end), kind) as audio:
            _check_header(audio, max_seconds)
            frames = _write(target, _resampled(_mixed(audio, max_seconds), audio.rate_hz))
    except Unusable as refused:
        return Refused(refused.reason)
    return Decoded(frames=frames, seconds=frames / SAMPLE_RATE_HZ)


def _check_header(audio: Source, max_seconds: float) -> None:
    """Refuse what the header admits; it may lie, so the samples are counted all the same."""
    if audio.channels > MAX_CHANNELS:
        raise Unusable(Refusal.TOO_MANY_CHANNELS)
    if not RATES_HZ[0] <= audio.rate_hz <= RATES_HZ[1]:
        raise Unusable(Refusal.RATE)
    if (audio.claimed_frames or 0) > (max_seconds + PADDING_S) * audio.rate_hz:
        raise Unusable(Refusal.TOO_LONG)


def _mixed(audio: Source, max_seconds: float) -> Iterator[Samples]:
    """Yield seconds of (frames, 1 or 2) within [-1, 1]: stereo as it is, all else as the channels' mean.

    Raises:
        Unusable: longer than allowed, not finite, or without any sample.
    """
    shares = np.full(audio.channels, 1.0 / audio.channels, dtype=np.float32)
    decoded = 0
    for samples in audio.blocks():
        decoded += len(samples)
        if decoded > (max_seconds + PADDING_S) * audio.rate_hz:
            raise Unusable(Refusal.TOO_LONG)
        samples = _bounded(samples)
        # A product of matrices would cost 32 MB of the allowed memory for a buffer of its library.
        yield samples if audio.channels == CHANNELS else np.einsum("ij,j->i", samples, shares)[:, np.newaxis]
    if not decoded:
        raise Unusable(Refusal.EMPTY)


def _bounded(samples: Samples) -> Samples:
    lowest, highest = samples.min(), samples.max()  # NaN goes through both
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise Unusable(Refusal.NOT_FINITE)
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
    parser.add_argument("--kind", choices=(*PLAIN_KINDS, *MEDIA_KINDS), required=True)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--end", type=int)
    parser.add_argument("--max-seconds", type=float, required=True)
    arguments = parser.parse_args()
    die_with_parent()
    opener_of(arguments.kind)  # loaded before the limits, which are for what the file makes of it
    frame_bytes = CHANNELS * np.dtype(np.float32).itemsize
    confine(
        address_bytes=ADDRESS_BYTES,
        data_bytes=DATA_BYTES,
        cpu_s=CPU_S,
        file_bytes=int(arguments.max_seconds + 1) * SAMPLE_RATE_HZ * frame_bytes + _WAV_HEADER_BYTES,
    )
    answer = decode(
        arguments.source,
        arguments.target,
        kind=arguments.kind,
        start=arguments.start,
        end=arguments.end,
        max_seconds=arguments.max_seconds,
    )
    sys.stdout.buffer.write(write(answer))
    return int(isinstance(answer, Refused))


if __name__ == "__main__":
    sys.exit(main())
