"""The audit record of a task: what was asked, what ran, who did what, and what came out."""

from typing import Any

import msgspec

from app.domain.attempts import Attempt


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """A client's audio; `role` is reference or source, `origin` upload, output or server."""

    role: str
    path: str | None
    origin: str
    sha256: str | None
    bytes: int | None
    duration: float | None


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model, with the hash over all its files."""

    name: str
    revision: str | None = None
    sha256: str | None = None


class LanguageResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the language model wrote, and how.

    `codes` has one text for each planned clip. `parameters` are the values that counted, `phases` what was
    done one after the other, with backend, seeds, tokens and the text as written, `notes` what was not done
    as asked.
    """

    caption: str | None
    lyrics: str | None
    metas: dict[str, Any]
    codes: list[str]
    backend_requested: str | None
    backend_used: str | None
    fallback: str | None
    parameters: dict[str, Any]
    phases: list[dict[str, Any]]
    notes: list[str]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what; `actor` is a key prefix, a worker, `client`, `admin` or `system`."""

    at: str
    type: str
    actor: str
    detail: dict[str, Any]


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """One stored clip; `available` is false once its audio has been removed."""

    index: int
    seed: int
    path: str
    file: str
    sha256: str
    bytes: int
    format: str
    sample_rate: int
    channels: int | None
    duration: float
    available: bool


class LiveProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a running task is."""

    progress: float
    stage: str | None
    step: int | None
    steps: int | None
    text: str | None
    eta_seconds: float | None


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `GET /v1/tasks/{id}`; what is not known is null or empty, never absent.

    `effective` has what the model was given in the end: length, steps, seeds and instructions of all clips,
    hashes of decoded inputs. `audit` is the worker's account: repository and hash of every file of the model,
    device and settings, threads, libraries, shapes of the batches. Both are empty before a success.
    `queue_position` is an estimate where several teams wait, and above 2000 the least that it can be.
    """

    id: str
    team_id: str
    key_id: str | None
    key_prefix: str | None
    state: str
    status: int
    task_type: str | None
    priority: int
    labels: dict[str, str]
    request_id: str
    idempotency_key: str | None
    parent_id: str | None
    parent_relation: str | None
    client: dict[str, str] | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    queued_seconds: float | None
    run_seconds: float | None
    deleted_at: str | None
    expires_at: str | None
    legal_hold: bool
    parameters_raw: dict[str, Any]
    content_type: str | None
    parameters: dict[str, Any]
    adjustments: list[dict[str, Any]]
    inputs: list[Input]
    seeds: list[int]
    lm_seed: int | None
    use_random_seed: bool | None
    lm: LanguageResult | None
    model_requested: str | None
    dit_model: Model
    lm_model: Model | None
    versions: dict[str, str | None]
    effective: dict[str, Any]
    audit: dict[str, Any]
    stage_seconds: dict[str, float]
    attempts: list[Attempt]
    events: list[Event]
    outputs: list[Output]
    progress: LiveProgress | None
    queue_position: int | None
    error_code: str | None
    error: str | None
