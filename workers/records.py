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
from workers.language import planning_of, stored_record

LONGEST_S = 600.0
# Three spellings of one wish; the model was trained with the last one (acestep/constants.py @f30aee4).
INSTRUMENTAL = ("", "[inst]", "[instrumental]")
INSTRUMENTAL_LYRICS = "[Instrumental]"
MIME_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav", "flac": "audio/flac", "opus": "audio/ogg"}


def request_of(task: ClaimedTask, scratch: Path, inputs: Mapping[str, InputAudio]) -> GenerationRequest:
    """Map the stored effective parameters, and the input files by role, to the engine's request."""
    params = task.params
    items = tuple(
        ItemSpec(
            prompt=params["prompt"],
            lyrics=_sung(params["lyrics"]),
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
        duration=params["audio_duration"],
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
        planning=planning_of(params),
        scratch_dir=str(scratch),
    )


def _sung(lyrics: str) -> str:
    return INSTRUMENTAL_LYRICS if lyrics.strip().lower() in INSTRUMENTAL else lyrics


def _codes(params: Mapping[str, Any]) -> Sequence[tuple[int, ...] | None]:
    """Return the given codes of each clip; one text serves all."""
    given, clips = params["audio_code_string"], len(params["seeds"])
    if not given:
        return [None] * clips
    codes = parse_codes([given] if isinstance(given, str) else given)
    return codes * clips if len(codes) == 1 else codes


def audio_seconds(task: ClaimedTask) -> float:
    """Return the seconds of all clips together; where nobody knows them yet, the most that are possible."""
    sources = [given for given in task.inputs if given["role"] == "source"]
    each_s = sources[0].get("duration") if sources else task.params["audio_duration"]
    return (each_s or LONGEST_S) * len(task.params["seeds"])


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
    params, song, language = task.params, result.song, result.language
    shared = {
        "prompt": song.caption or params["prompt"],
        "lyrics": params["lyrics"] if song.lyrics in ("", _sung(params["lyrics"])) else song.lyrics,
        "vocal_language": song.language or params["vocal_language"],
        "bpm": song.bpm or params["bpm"],
        "keyscale": song.keyscale or params["key_scale"],
        "timesignature": song.timesignature or params["time_signature"],
        "genres": song.genres,
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
        "dit_model": _model(task.model, result.audit.get("revision"), result.audit.get("files", {})),
        "lm_model": _model(language.model, language.revision, language.files) if language.model else None,
        "lm": stored_record(language),
        "seconds": result.seconds,
        "effective": result.effective,
        "audit": {"service": version("acestep-service"), **result.audit},
        "peak_memory_bytes": result.peak_memory_bytes,
    }


def _model(name: str, revision: str | None, files: Mapping[str, str]) -> dict[str, str | None]:
    return {"name": name, "revision": revision, "sha256": _fingerprint(files)}


def _fingerprint(files: Mapping[str, str]) -> str | None:
    """One hash for all files of a model: SHA-256 over the lines `hash  path`, sorted by path."""
    lines = "".join(f"{files[path]}  {path}\n" for path in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest() if files else None
