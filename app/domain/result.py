"""What `/query_result` says about a task: the entry, and the JSON text in its `result`."""

from collections.abc import Mapping, Sequence
from typing import Any, assert_never
from urllib.parse import quote

import msgspec

from app.domain.generation_info import generation_info
from app.domain.progress import live
from app.domain.room import COUNTED
from app.domain.task import ClipView, TaskStatus, TaskView

_NOT_FOUND = "task not found"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of `/query_result`; field names and types are the wire contract."""

    task_id: str
    result: str
    status: int
    progress_text: str
    error: str | None
    state: str
    error_code: str | None


class Metas(msgspec.Struct, frozen=True, kw_only=True):
    """Metadata of one clip; `prompt` and `lyrics` are the user's own text."""

    bpm: int | None
    duration: int | float | None
    genres: str
    keyscale: str
    timesignature: str
    prompt: str
    lyrics: str


class ClipItem(msgspec.Struct, frozen=True, kw_only=True):
    """One stored audio of a succeeded task."""

    file: str
    wave: str
    status: int
    create_time: int
    env: str
    prompt: str
    lyrics: str
    metas: Metas
    generation_info: str
    seed_value: str
    lm_model: str
    dit_model: str
    progress: float
    stage: str
    error: None
    seed: int
    index: int


class StateItem(msgspec.Struct, frozen=True, kw_only=True):
    """The only item of a task that has no audio: waiting, running, failed, cancelled or unknown."""

    file: str = ""
    wave: str = ""
    status: int
    create_time: int
    env: str
    prompt: str = ""
    lyrics: str = ""
    metas: dict[str, str] = {}
    progress: float
    stage: str
    error: str | None


_encoder = msgspec.json.Encoder()


def entry(asked_id: str, view: TaskView | None, *, env: str) -> Entry:
    """Answer for one requested id.

    Args:
        asked_id: the id as the client wrote it; echoed verbatim.
        view: the task, None if the caller's team has no such task.
        env: name of the installation's environment.
    """
    if view is None:
        return _ended(asked_id, "not_found", _NOT_FOUND, error_code="not_found", created_s=0, env=env)
    created_s = int(view.created_at.timestamp())
    match view.status:
        case TaskStatus.QUEUED | TaskStatus.RUNNING:
            return _live(asked_id, view, created_s=created_s, env=env)
        case TaskStatus.SUCCEEDED:
            return Entry(
                task_id=asked_id,
                result=_json(_clip_items(view, created_s=created_s, env=env)),
                status=view.status.wire_code,
                progress_text="done",
                error=None,
                state=view.status.value,
                error_code=None,
            )
        case TaskStatus.FAILED:
            reason = view.error_message or "generation failed"
            code = view.error_code or "internal"
            return _ended(asked_id, view.status.value, reason, error_code=code, created_s=created_s, env=env)
        case TaskStatus.CANCELLED:
            state = view.status.value
            return _ended(asked_id, state, "cancelled", error_code="cancelled", created_s=created_s, env=env)
        case _:
            assert_never(view.status)


def audio_url(public_key: str) -> str:
    """Return the relative address of a clip; the key keeps no safe characters, so `/` is `%2F`."""
    return "/v1/audio?path=" + quote(public_key, safe="")


def _ended(asked_id: str, state: str, reason: str, *, error_code: str, created_s: int, env: str) -> Entry:
    # A cancelled item also has the stage "failed": one known client sees the end only by that word.
    item = StateItem(status=2, create_time=created_s, env=env, progress=0.0, stage="failed", error=reason)
    return Entry(
        task_id=asked_id,
        result=_json([item]),
        status=2,
        progress_text=reason,
        error=reason,
        state=state,
        error_code=error_code,
    )


def _live(asked_id: str, view: TaskView, *, created_s: int, env: str) -> Entry:
    if view.status is TaskStatus.QUEUED:
        stage, progress = "queued", 0.0
        text = _waiting(view.queue_position)
    else:
        stage, progress, text = live(view.stage, view.progress, view.progress_text)
    item = StateItem(status=0, create_time=created_s, env=env, progress=progress, stage=stage, error=None)
    return Entry(
        task_id=asked_id,
        result=_json([item]),
        status=0,
        progress_text=text,
        error=None,
        state=view.status.value,
        error_code=None,
    )


def _waiting(place: int | None) -> str:
    if place is None:
        return "queued"
    return f"queued (position {place} or later)" if place > COUNTED else f"queued (position {place})"


def _clip_items(view: TaskView, *, created_s: int, env: str) -> list[ClipItem]:
    result = view.result or {}
    told = {item["index"]: item for item in result.get("items", ())}
    info = generation_info(view)
    seeds = ",".join(str(seed) for seed in view.params.get("seeds") or [clip.seed for clip in view.clips])
    lm_model = _name(result.get("lm_model"))
    dit_model = _name(result.get("dit_model")) or view.model
    return [
        ClipItem(
            file=audio_url(clip.public_key),
            wave="",
            status=1,
            create_time=created_s,
            env=env,
            prompt=_text(told.get(clip.index, {}), view.params, "prompt"),
            lyrics=_text(told.get(clip.index, {}), view.params, "lyrics"),
            metas=_metas(clip, told.get(clip.index, {}), view.params),
            generation_info=info,
            seed_value=seeds,
            lm_model=lm_model,
            dit_model=dit_model,
            progress=1.0,
            stage="succeeded",
            error=None,
            seed=clip.seed,
            index=clip.index,
        )
        for clip in view.clips
    ]


def _metas(clip: ClipView, told: Mapping[str, Any], params: Mapping[str, Any]) -> Metas:
    duration = round(clip.duration_s, 3)
    return Metas(
        bpm=told["bpm"] if "bpm" in told else params.get("bpm"),
        duration=int(duration) if duration.is_integer() else duration,
        genres=told.get("genres", ""),
        keyscale=params.get("key_scale") or told.get("keyscale") or "",
        timesignature=params.get("time_signature") or told.get("timesignature") or "",
        prompt=params.get("prompt", ""),
        lyrics=params.get("lyrics", ""),
    )


def _text(told: Mapping[str, Any], params: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    return str(params.get(name, "") if value is None else value)


def _name(model: Mapping[str, Any] | None) -> str:
    return str(model["name"]) if model else ""


def _json(items: Sequence[ClipItem | StateItem]) -> str:
    return _encoder.encode(items).decode()
