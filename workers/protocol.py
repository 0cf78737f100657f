"""Messages between a slot and its child: one JSON object a line, never pickle."""

import msgspec

from inference.language import PromptRequest, PromptResult
from inference.request import EngineOptions, GenerationRequest, GenerationResult, ModelInfo

# Longest line either side accepts; eight items with the longest lyrics stay far below.
LINE_LIMIT_BYTES = 16 * 1024 * 1024


class Start(msgspec.Struct, frozen=True, tag="start"):
    """First message: build the engine and load its first model. `engine` empty = the default one."""

    engine: str
    options: EngineOptions


class Job(msgspec.Struct, frozen=True, tag="job"):
    """Generate; jobs run in the order they are sent."""

    id: str
    request: GenerationRequest


class Prompt(msgspec.Struct, frozen=True, tag="prompt"):
    """Improve a text; it is not queued behind jobs, but answered between two of their steps."""

    id: str
    request: PromptRequest


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Stop that job at the next chance; unknown and ended ids mean nothing."""

    id: str


class Quit(msgspec.Struct, frozen=True, tag="quit"):
    """Exit now; whatever is running is dropped."""


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The engine is built, and its first model loaded unless the options are lazy; seconds by step.

    `loaded` names the models in memory.
    """

    models: tuple[ModelInfo, ...]
    loaded: tuple[str, ...]
    seconds: dict[str, float]


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """The job's model was not in memory. It is now if `loaded` names it, which is all that is there."""

    id: str
    model: str
    loaded: tuple[str, ...]
    seconds: float


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """The job reached (stage, done, total)."""

    id: str
    stage: str
    done: int
    total: int


class Computed(msgspec.Struct, frozen=True, tag="computed"):
    """The job needs the accelerator no longer: the next one may be sent while its files are written."""

    id: str


class Done(msgspec.Struct, frozen=True, tag="done"):
    """All files of the job are written."""

    id: str
    result: GenerationResult


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    """The text is improved."""

    id: str
    result: PromptResult


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The job failed, or with an empty id: the engine could not start.

    `message` is public, `trace` is for admins. `poisons`: the child exits after this message.
    `peak_memory_bytes`: of the accelerator, where the engine knows it.
    """

    id: str
    code: str
    message: str
    trace: str
    retryable: bool
    poisons: bool
    peak_memory_bytes: int | None = None


Command = Start | Job | Prompt | Cancel | Quit
Report = Ready | Loaded | Progress | Computed | Done | Answered | Failed

_encoder = msgspec.json.Encoder()
_command_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
_report_decoder: msgspec.json.Decoder[Report] = msgspec.json.Decoder(Report)


def encode(message: Command | Report) -> bytes:
    """Return one line, newline included; JSON text never holds a raw newline."""
    return _encoder.encode(message) + b"\n"


def decode_command(line: bytes) -> Command:
    """Parse what a slot sent.

    Raises:
        msgspec.MsgspecError: not one of the messages.
    """
    return _command_decoder.decode(line)


def decode_report(line: bytes) -> Report:
    """Parse what a child sent.

    Raises:
        msgspec.MsgspecError: not one of the messages.
    """
    return _report_decoder.decode(line)
