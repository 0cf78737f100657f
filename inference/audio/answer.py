"""What the decode process says of one file: a line of JSON, read by a parent that does not trust it."""

from enum import StrEnum

import msgspec

MAX_CHANNELS = 8
RATES_HZ = (8_000, 192_000)


class Refusal(StrEnum):
    """Why a file cannot be used. The parent has the words: none come from the process itself."""

    NOT_AUDIO = "not_audio"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    TOO_MANY_CHANNELS = "too_many_channels"
    RATE = "rate"
    NOT_FINITE = "not_finite"
    BROKEN = "broken"

    def text(self, max_seconds: float) -> str:
        """Return the public reason, to be put behind the name of the file."""
        match self:
            case Refusal.NOT_AUDIO:
                return "is not audio of a supported type"
            case Refusal.EMPTY:
                return "holds no samples"
            case Refusal.TOO_LONG:
                return f"is longer than {max_seconds:g} seconds"
            case Refusal.TOO_MANY_CHANNELS:
                return f"has more than {MAX_CHANNELS} channels"
            case Refusal.RATE:
                return f"has a sample rate outside {RATES_HZ[0]} to {RATES_HZ[1]} Hz"
            case Refusal.NOT_FINITE:
                return "holds samples that are not finite"
            case Refusal.BROKEN:
                return "cannot be decoded"


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The file cannot be used."""

    reason: Refusal


class Decoded(msgspec.Struct, frozen=True, tag="decoded"):
    """The normalised file is written: stereo frames at 48 kHz, and the seconds they last."""

    frames: int
    seconds: float


Answer = Decoded | Refused

_decoder: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def write(answer: Answer) -> bytes:
    """Return one line."""
    return msgspec.json.encode(answer) + b"\n"


def read(line: bytes) -> Answer:
    """Parse one line.

    Raises:
        msgspec.MsgspecError: it is no answer.
    """
    return _decoder.decode(line)
