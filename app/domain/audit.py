"""From what is stored of a task to its audit record; private tracebacks stay out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.domain.attempts import pair_attempts
from app.domain.codes import code_text
from app.domain.history import StoredEvent, StoredTask
from app.domain.params import PARAMETERS
from app.domain.progress import steps_of
from app.domain.record import Event, Input, LanguageResult, LiveProgress, Model, Output, Record
from app.domain.result import audio_url
from app.domain.task import ClipView, TaskStatus
from app.domain.wire_json import rfc3339

_LIBRARIES = ("python", "torch", "diffusers", "transformers", "vllm", "cuda")
# How the model lay on its device; each decides about the last bits of the samples.
_MACHINE = ("device", "dtype", "attention_backend", "offload", "compiled")
_TRACE = "trace"


def audit_record(task: StoredTask) -> Record:
    """Write the audit record of a stored task."""
    result, params = task.result, task.params
    return Record(
        id=str(task.id),
        team_id=str(task.public_team_id),
        key_id=str(task.public_key_id) if task.public_key_id else None,
        key_prefix=task.key_prefix,
        state=task.status.value,
        status=task.status.wire_code,
        task_type=task.task_type,
        priority=task.priority,
        labels=dict(task.labels),
        request_id=task.request_id,
        idempotency_key=task.idempotency_key,
        parent_id=str(task.parent_id) if task.parent_id else None,
        parent_relation=task.parent_relation,
        client=dict(task.client) if task.client else None,
        **_times(task),
        legal_hold=task.legal_hold,
        parameters_raw=dict(task.request),
        content_type=task.content_type,
        parameters=effective_parameters(params),
        adjustments=[dict(adjustment) for adjustment in task.adjustments],
        inputs=[_input(given) for given in task.inputs],
        seeds=params.get("seeds", []),
        lm_seed=params.get("lm_seed"),
        use_random_seed=params.get("use_random_seed"),
        lm=_language_result(result.get("lm")),
        model_requested=task.requested_model,
        dit_model=_model(result.get("dit_model")) or Model(name=task.model),
        lm_model=_model(result.get("lm_model")),
        versions=_versions(result.get("audit") or {}),
        effective=dict(result.get("effective") or {}),
        audit=dict(result.get("audit") or {}),
        stage_seconds=dict(result.get("seconds") or {}),
        attempts=pair_attempts(task.events, peak_memory_bytes=result.get("peak_memory_bytes")),
        events=[_event(event) for event in task.events],
        outputs=[_output(clip, result) for clip in task.clips],
        progress=_progress(task),
        queue_position=task.queue_position,
        error_code=task.error_code,
        error=task.error_message,
    )


def effective_parameters(params: Mapping[str, Any]) -> dict[str, Any]:
    """All canonical parameters; the seed is the list that was drawn, not the wish."""
    if not params:
        return {}
    effective = {parameter.name: params.get(parameter.name) for parameter in PARAMETERS}
    return effective | {"seed": params.get("seeds", [])}


def _times(task: StoredTask) -> dict[str, Any]:
    waited_until = task.first_started_at or task.finished_at
    return {
        "created_at": rfc3339(task.created_at),
        "started_at": rfc3339(task.started_at) if task.started_at else None,
        "finished_at": rfc3339(task.finished_at) if task.finished_at else None,
        "queued_seconds": _seconds(task.created_at, waited_until) if waited_until else None,
        "run_seconds": _seconds(task.started_at, task.finished_at)
        if task.started_at and task.finished_at
        else None,
        "deleted_at": rfc3339(task.deleted_at) if task.deleted_at else None,
        "expires_at": rfc3339(task.expires_at) if task.expires_at else None,
    }


def _seconds(start: datetime, end: datetime) -> float:
    return max(0.0, round((end - start).total_seconds(), 3))


def _input(given: Mapping[str, Any]) -> Input:
    return Input(
        role=given["role"],
        path=given.get("path"),
        origin=given["origin"],
        sha256=given.get("sha256"),
        bytes=given.get("bytes"),
        duration=given.get("duration"),
    )


def _model(used: Mapping[str, Any] | None) -> Model | None:
    if not used:
        return None
    return Model(name=used["name"], revision=used.get("revision"), sha256=used.get("sha256"))


def _language_result(told: Mapping[str, Any] | None) -> LanguageResult | None:
    if not told:
        return None
    return LanguageResult(
        caption=told.get("caption"),
        lyrics=told.get("lyrics"),
        metas=dict(told.get("metas") or {}),
        codes=[code_text(codes) for codes in told.get("codes") or ()],
        backend_requested=told.get("backend_requested"),
        backend_used=told.get("backend_used"),
        fallback=told.get("fallback") or None,
        parameters=dict(told.get("parameters") or {}),
        phases=[dict(phase) for phase in told.get("phases") or ()],
        notes=list(told.get("notes") or ()),
    )


def _versions(audit: Mapping[str, Any]) -> dict[str, str | None]:
    libraries: Mapping[str, str | None] = audit.get("versions") or {}
    return {
        "service": audit.get("service"),
        **{name: libraries.get(name) for name in _LIBRARIES},
        **{name: audit.get(name) for name in _MACHINE},
    }


def _event(event: StoredEvent) -> Event:
    detail = {name: value for name, value in event.data.items() if name != _TRACE}
    if event.attempt:
        detail["attempt"] = event.attempt
    return Event(at=rfc3339(event.at), type=event.event, actor=_actor(event), detail=detail)


def _actor(event: StoredEvent) -> str:
    match event.actor_kind:
        case "client" | "admin":
            return event.key_prefix or event.actor_kind
        case "worker":
            return event.actor_id or "worker"
        case _:
            return "system"


def _output(clip: ClipView, result: Mapping[str, Any]) -> Output:
    channels = {item["index"]: item.get("channels") for item in result.get("items", ())}
    return Output(
        index=clip.index,
        seed=clip.seed,
        path=clip.public_key,
        file=audio_url(clip.public_key),
        sha256=clip.sha256,
        bytes=clip.size_bytes,
        format=clip.ext,
        sample_rate=clip.sample_rate_hz,
        channels=channels.get(clip.index),
        duration=clip.duration_s,
        available=clip.available,
    )


def _progress(task: StoredTask) -> LiveProgress | None:
    if task.status is not TaskStatus.RUNNING:
        return None
    step, steps = steps_of(task.progress_text)
    eta_s = None
    # Early numbers are mostly the loading of models and would promise nonsense.
    if task.started_at is not None and task.progress > 0.1:
        spent_s = (task.read_at - task.started_at).total_seconds()
        eta_s = round(spent_s * (1.0 - task.progress) / task.progress, 1)
    return LiveProgress(
        progress=round(task.progress, 4),
        stage=task.stage,
        step=step,
        steps=steps,
        text=task.progress_text,
        eta_seconds=eta_s,
    )
