"""The attempts of a task, paired from its events: every claim with what became of it."""

from collections.abc import Sequence
from typing import Any

import msgspec

from app.domain.history import StoredEvent
from app.domain.wire_json import rfc3339

_OUTCOMES = ("succeeded", "failed", "cancelled", "requeued")


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try; `outcome` is succeeded, failed, cancelled, lease_expired or released, None while it runs."""

    number: int
    worker_id: str | None
    started_at: str
    finished_at: str | None
    outcome: str | None
    error_code: str | None
    error: str | None
    gpu_seconds: float | None
    peak_memory_bytes: int | None


def pair_attempts(events: Sequence[StoredEvent], *, peak_memory_bytes: int | None) -> list[Attempt]:
    """List the attempts in order.

    Args:
        events: of one task, in order.
        peak_memory_bytes: of the attempt that succeeded.
    """
    return [_attempt(claim, events, peak_memory_bytes) for claim in events if claim.event == "claimed"]


def _attempt(claim: StoredEvent, events: Sequence[StoredEvent], peak_memory_bytes: int | None) -> Attempt:
    own = [event for event in events if event.attempt == claim.attempt]
    ended = next((event for event in own if event.event in _OUTCOMES), None)
    lost = next((event for event in own if event.event == "heartbeat_lost"), None)
    outcome = _outcome(ended, lost)
    code, error = _error(ended, lost)
    return Attempt(
        number=claim.attempt,
        worker_id=claim.actor_id,
        started_at=rfc3339(claim.at),
        finished_at=rfc3339(ended.at) if ended else None,
        outcome=outcome,
        error_code=code,
        error=error,
        gpu_seconds=ended.data.get("gpu_seconds") if ended else None,
        peak_memory_bytes=_peak(ended, peak_memory_bytes),
    )


def _peak(ended: StoredEvent | None, of_result: int | None) -> int | None:
    if ended is None:
        return None
    return of_result if ended.event == "succeeded" else ended.data.get("peak_memory_bytes")


def _outcome(ended: StoredEvent | None, lost: StoredEvent | None) -> str | None:
    if lost is not None:
        return "lease_expired"
    if ended is None:
        return None
    if ended.event == "requeued":
        return "released" if ended.data.get("reason") == "released" else "failed"
    return ended.event


def _error(ended: StoredEvent | None, lost: StoredEvent | None) -> tuple[str | None, str | None]:
    if lost is not None:
        reason: Any = lost.data.get("reason", "lease_expired")
        return "worker_lost", str(reason).replace("_", " ")
    if ended is None or ended.event == "succeeded":
        return None, None
    code = ended.data.get("code")
    return code, ended.data.get("message", code)
