"""The `data` of each answer: handlers fill these shapes, and the OpenAPI document describes them."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from app.domain.format_input import FormattedInput
from app.domain.samples import Sample
from app.services import OfferedLanguageModel, OfferedModel

_Count = Annotated[int, Meta(ge=0)]


class AcceptedTask(msgspec.Struct, frozen=True, kw_only=True):
    """A stored task; `queue_position` counts the waiting tasks from 1; above 2000 it is the least."""

    task_id: str
    status: Literal["queued"] = "queued"
    queue_position: Annotated[int, Meta(ge=1)]


class Jobs(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks by state; `failed` includes the cancelled ones, so that the four states add up to `total`."""

    total: _Count
    queued: _Count
    running: _Count
    succeeded: _Count
    failed: _Count
    cancelled: _Count


class Workers(msgspec.Struct, frozen=True, kw_only=True):
    """Live worker processes, and those that are generating."""

    online: _Count
    busy: _Count


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of tasks and the state of the queue; `queue_maxsize` 2147483647 means no limit."""

    jobs: Jobs
    queue_size: _Count
    queue_maxsize: _Count
    avg_job_seconds: Annotated[float, Meta(ge=0)]
    workers: Workers


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`version` is that of the contract, `release` that of this program."""

    status: Literal["ok"] = "ok"
    service: Literal["ACE-Step API"] = "ACE-Step API"
    version: str
    release: str
    models_initialized: bool
    llm_initialized: bool
    loaded_model: str | None
    loaded_lm_model: str | None


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """The diffusion models that can be asked for."""

    models: Sequence[OfferedModel]
    default_model: str | None


class ModelInventory(msgspec.Struct, frozen=True, kw_only=True):
    """Diffusion and language models."""

    models: Sequence[OfferedModel]
    default_model: str | None
    lm_models: Sequence[OfferedLanguageModel]
    loaded_lm_model: str | None
    llm_initialized: bool


class SampleText(msgspec.Struct, frozen=True, kw_only=True):
    """An example request; three values stand under two names, as clients read either."""

    caption: str
    lyrics: str
    bpm: int
    key_scale: str
    time_signature: str
    duration: int
    vocal_language: str
    keyscale: str
    timesignature: str
    language: str
    description: str
    instrumental: bool
    think: bool

    @classmethod
    def of(cls, sample: Sample) -> "SampleText":
        """Put a sample under all its names."""
        return cls(
            caption=sample.caption,
            lyrics=sample.lyrics,
            bpm=sample.bpm,
            key_scale=sample.key_scale,
            time_signature=sample.time_signature,
            duration=sample.duration,
            vocal_language=sample.vocal_language,
            keyscale=sample.key_scale,
            timesignature=sample.time_signature,
            language=sample.vocal_language,
            description=sample.description,
            instrumental=sample.instrumental,
            think=sample.mode == "custom",
        )


class FormattedText(msgspec.Struct, frozen=True, kw_only=True):
    """Caption, lyrics and metadata as the language model wrote them; three values stand under two names."""

    caption: str
    lyrics: str
    bpm: int | None
    key_scale: str
    time_signature: str
    duration: int | float | None
    vocal_language: str
    keyscale: str
    timesignature: str
    language: str

    @classmethod
    def of(cls, formatted: FormattedInput) -> "FormattedText":
        """Put the values under all their names; a whole number of seconds is an integer."""
        seconds = formatted.duration_s
        return cls(
            caption=formatted.caption,
            lyrics=formatted.lyrics,
            bpm=formatted.bpm,
            key_scale=formatted.key_scale,
            time_signature=formatted.time_signature,
            duration=int(seconds) if seconds is not None and seconds == int(seconds) else seconds,
            vocal_language=formatted.vocal_language,
            keyscale=formatted.key_scale,
            timesignature=formatted.time_signature,
            language=formatted.vocal_language,
        )
