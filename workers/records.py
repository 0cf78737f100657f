"""Between rows and the engine: stored parameters to a request, an engine's result to rows."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from app.db.tasks import ClaimedTask
from app.domain.codes import parse_codes
from inference.request import GeneratedClip, GenerationRequest, GenerationResult, InputAudio, ItemSpec
from workers.progress import GPU_STAGES

# Length of a clip when nobody knows one: neither the client, nor a source, nor a language model.
DEFAULT_DURATION_S = 60.0
# Three spellings of one wish; the model was trained with the last one (acestep/constants.py @f30aee4).
INSTRUMENTAL = ("", "[inst]", "[instrumental]")
INSTRUMENTAL_LYRICS = "[Instrumental]"
MIME_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav", "flac": "audio/flac", "opus": "audio/ogg"}


def request_of(task: ClaimedTask, scratch: Path, inputs: Mapping[str, InputAudio]) -> GenerationRequest:
    """Map the stored effective parameters, and the input files by role, to the engine's request."""
    params = task.params
    is_instrumental = params["lyrics"].strip().lower() in INSTRUMENTAL
    lyrics = INSTRUMENTAL_LYRICS if is_instrumental else params["lyrics"]
    items = tuple(
        ItemSpec(
            prompt=params["prompt"],
            lyrics=lyrics,
            vocal_language=params["vocal_language"],
            bpm=params["bpm"],
            keyscale=params["key_scale"],
            timesignature=params["time_signature"],
            instruction=params["instruction"].strip() or None,
            seed=seed,
            audio_codes=codes,
        )
        for seed, codes in zip(params["seeds"], _codes(params), strict=True)
    )
    timesteps: Sequence[float] | None = params["timesteps"]
    return GenerationRequest(
        model=task.model,
        task_type=params["task_type"],
        items=items,
        duration=DEFAULT_DURATION_S if params["audio_duration"] is None else params["audio_duration"],
        steps=params["inference_steps"],
        guidance_scale=params["guidance_scale"],
        shift=params["shift"],
        infer_method=params["infer_method"],
        timesteps=None if timesteps is None else tuple(timesteps),
        use_adg=params["use_adg"],
        cfg_interval=(params["cfg_interval_start"], params["cfg_interval_end"]),
        source=inputs.get("source"),
        reference=inputs.get("reference"),
        repaint_start=params["repainting_start"],
        repaint_end=params["repainting_end"],
        cover_strength=params["audio_cover_strength"],
        track_name=params["track_name"],
        track_classes=tuple(params["track_classes"] or ()),
        use_tiled_decode=params["use_tiled_decode"],
        audio_format=params["audio_format"],
        scratch_dir=str(scratch),
    )


def _codes(params: Mapping[str, Any]) -> Sequence[tuple[int, ...] | None]:
    """Return the given codes of each clip; one text serves all."""
    given, clips = params["audio_code_string"], len(params["seeds"])
    if not given:
        return [None] * clips
    codes = parse_codes([given] if isinstance(given, str) else given)
    return codes * clips if len(codes) == 1 else codes


def gpu_seconds(result: GenerationResult) -> float:
    """Seconds in which the accelerator was held."""
    return sum(result.seconds.get(stage, 0.0) for stage in GPU_STAGES)


def object_row(task: ClaimedTask, clip: GeneratedClip) -> dict[str, Any]:
    """Column values of `objects`; the public key is random, the storage key tells the attempt."""
    return {
        "item": clip.index,
        "public_key": f"audio/{secrets.token_hex(16)}.{clip.format}",
        "storage_key": f"o/{task.team_id}/{task.id}/{task.attempt}/{clip.index}.{clip.format}",
        "ext": clip.format,
        "mime": MIME_TYPES[clip.format],
        "bytes": clip.size_bytes,
        "sha256": clip.sha256,
        "duration_s": clip.duration,
        "sample_rate": clip.sample_rate,
        "seed": clip.seed,
    }


def stored_result(task: ClaimedTask, result: GenerationResult) -> dict[str, Any]:
    """What the row keeps: enough to show the answer, and to make the same clip again."""
    params = task.params
    shared = {
        "prompt": params["prompt"],
        "lyrics": params["lyrics"],
        "vocal_language": params["vocal_language"],
        "bpm": params["bpm"],
        "keyscale": params["key_scale"],
        "timesignature": params["time_signature"],
    }
    texts_cut = [cut for batch in result.audit.get("batches", ()) for cut in batch.get("texts_cut", ())]
    return {
        "items": [
            {
                "index": clip.index,
                "seed": clip.seed,
                "duration": clip.duration,
                "channels": clip.channels,
                "silent": clip.silent,
                "peak": clip.peak,
                "texts_cut": texts_cut[clip.index] if clip.index < len(texts_cut) else [],
                **shared,
            }
            for clip in result.clips
        ],
        "dit_model": {
            "name": task.model,
            "revision": result.audit.get("revision"),
            "sha256": _fingerprint(result.audit.get("files", {})),
        },
        "lm_model": None,
        "seconds": result.seconds,
        "effective": result.effective,
        "audit": {"service": version("acestep-service"), **result.audit},
        "peak_memory_bytes": result.peak_memory_bytes,
    }


def _fingerprint(files: Mapping[str, str]) -> str | None:
    """One hash for all files of a model: SHA-256 over the lines `hash  path`, sorted by path."""
    lines = "".join(f"{files[path]}  {path}\n" for path in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest() if files else None
