"""The human sentence about how a clip was made; not for parsing."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.domain.progress import STAGES
from app.domain.task import TaskView

_RANDOM_WEIGHTS = "tiny-random"


def generation_info(view: TaskView) -> str:
    """Describe models, steps, times and adjustments of a succeeded task."""
    result = view.result or {}
    dit_model = str((result.get("dit_model") or {}).get("name") or view.model)
    parts = [
        _warning(dit_model),
        f"DiT {dit_model}, {_language_model(result)}",
        _fallback(result.get("lm") or {}),
        _settings(view.params),
        _silence(result.get("items") or []),
        _cuts(result.get("items") or []),
        _notes(result.get("lm") or {}),
        _times(result.get("seconds") or {}),
        _adjustments(view.adjustments),
    ]
    return "\n".join(part for part in parts if part)


def _warning(dit_model: str) -> str:
    if _RANDOM_WEIGHTS not in dit_model:
        return ""
    return f"{dit_model} has random weights: this is noise, not music"


def _language_model(result: Mapping[str, Any]) -> str:
    model = result.get("lm_model")
    return f"LM {model['name']}" if model else "no LM"


def _fallback(lm: Mapping[str, Any]) -> str:
    reason = lm.get("fallback")
    return f"language model on {lm.get('backend_used')}: {reason}" if reason else ""


def _notes(lm: Mapping[str, Any]) -> str:
    return "; ".join(lm.get("notes") or ())


def _settings(params: Mapping[str, Any]) -> str:
    schedule = f"{params.get('inference_steps')} steps, {params.get('infer_method')}"
    return f"{params.get('task_type')}, {schedule}, guidance {params.get('guidance_scale')}"


def _silence(items: Sequence[Mapping[str, Any]]) -> str:
    silent = [str(item["index"] + 1) for item in items if item.get("silent")]
    return f"nearly silent, delivered as it is: clip {', '.join(silent)}" if silent else ""


def _cuts(items: Sequence[Mapping[str, Any]]) -> str:
    cut = [f"{text} of clip {item['index'] + 1}" for item in items for text in item.get("texts_cut") or ()]
    return f"longer than the model reads, cut at its end: {', '.join(cut)}" if cut else ""


def _times(seconds: Mapping[str, float]) -> str:
    return ", ".join(f"{stage} {seconds[stage]:.2f} s" for stage in STAGES if stage in seconds)


def _adjustments(adjustments: Sequence[Mapping[str, Any]]) -> str:
    if not adjustments:
        return ""
    changes = (f"{a['field']} {a['given']!r} -> {a['used']!r} ({a['reason']})" for a in adjustments)
    return "adjusted: " + "; ".join(changes)
