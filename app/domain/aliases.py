"""Every spelling of a parameter that clients use, and the three places where a value may stand."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from app.domain.errors import ValidationError
from app.domain.inputs import Role
from app.domain.wire_json import decode_json

ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "prompt": ("caption",),
        "sample_mode": ("sampleMode",),
        "sample_query": ("sampleQuery", "description", "desc"),
        "use_format": ("useFormat", "format"),
        "model": ("model_name", "modelName", "dit_model", "ditModel"),
        "key_scale": ("keyscale", "keyScale", "key"),
        "time_signature": ("timesignature", "timeSignature"),
        "audio_duration": ("duration", "audioDuration", "target_duration", "targetDuration"),
        "vocal_language": ("vocalLanguage", "language"),
        "inference_steps": ("inferenceSteps",),
        "guidance_scale": ("guidanceScale",),
        "use_random_seed": ("useRandomSeed",),
        "batch_size": ("batchSize",),
        "audio_code_string": ("audioCodeString", "audio_codes", "audioCodes"),
        "infer_method": ("inferMethod",),
        "use_adg": ("useAdg",),
        "cfg_interval_start": ("cfgIntervalStart",),
        "cfg_interval_end": ("cfgIntervalEnd",),
        "audio_format": ("audioFormat",),
        "use_tiled_decode": ("useTiledDecode",),
        "lm_model_path": ("lmModelPath",),
        "lm_backend": ("lmBackend",),
        "lm_temperature": ("lmTemperature",),
        "lm_cfg_scale": ("lmCfgScale",),
        "lm_negative_prompt": ("lmNegativePrompt",),
        "lm_top_k": ("lmTopK",),
        "lm_top_p": ("lmTopP",),
        "lm_repetition_penalty": ("lmRepetitionPenalty",),
        "use_cot_caption": ("cot_caption", "cot-caption", "useCotCaption", "cotCaption"),
        "use_cot_language": ("cot_language", "cot-language", "useCotLanguage", "cotLanguage"),
        "constrained_decoding": ("constrainedDecoding", "constrained"),
        "constrained_decoding_debug": ("constrainedDecodingDebug",),
        "allow_lm_batch": ("allowLmBatch", "parallel_thinking", "parallelThinking"),
        "is_format_caption": ("isFormatCaption",),
        "reference_audio_path": ("ref_audio_path", "referenceAudioPath", "refAudioPath"),
        "src_audio_path": ("ctx_audio_path", "sourceAudioPath", "srcAudioPath", "ctxAudioPath"),
        "task_type": ("taskType",),
        "track_name": ("trackName",),
        "track_classes": ("trackClasses", "instruments"),
        "repainting_start": ("repaintingStart",),
        "repainting_end": ("repaintingEnd",),
        "audio_cover_strength": ("audioCoverStrength", "cover_strength", "coverStrength"),
    }
)
"""Other names of a canonical parameter, in the order in which they are tried."""

TOKEN_FIELD = "ai_token"  # noqa: S105 - the name of the field, not a secret
"""Where a client may put its key in a body; never stored and never read from a carrier."""

FILE_FIELDS: Mapping[Role, tuple[str, str]] = MappingProxyType(
    {Role.REFERENCE: ("ref_audio", "reference_audio"), Role.SOURCE: ("ctx_audio", "src_audio")}
)
"""Names of file parts, in the order in which they are tried."""

CARRIERS = ("metas", "meta", "metadata", "user_metadata", "userMetadata")
"""Fields that may hold further parameters: the first that is not empty is read."""


class Sources:
    """The body, `param_obj` and one metadata object, asked in this order."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._sources = (body, as_object(body.get("param_obj")), as_object(_first_carrier(body)))

    def find(self, names: Iterable[str], *, null_text: bool = False) -> Any:
        """Return the first value that is not null, or None.

        Args:
            names: the canonical name and its aliases, in order.
            null_text: the text `null` counts as absent (forms cannot send a real null).
        """
        for source in self._sources:
            for name in names:
                value = source.get(name)
                if value is None or (null_text and _is_null_text(value)):
                    continue
                return value
        return None


def _first_carrier(body: Mapping[str, Any]) -> Any:
    for name in CARRIERS:
        value = body.get(name)
        if value and not (isinstance(value, str) and not value.strip()):
            return value
    return None


def as_object(value: Any) -> Mapping[str, Any]:
    """Return an object, or the object that a JSON text holds; anything else is empty."""
    if isinstance(value, str):
        try:
            value = decode_json(value)
        except ValidationError:
            return {}
    return value if isinstance(value, Mapping) else {}


def _is_null_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower() == "null"
