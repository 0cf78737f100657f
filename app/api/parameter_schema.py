"""Schemas of the request fields, made from the parameter table.

They describe what is used as it is sent. The service accepts more: it is lenient in numbers, and says in each
description what happens outside the range.
"""

from typing import Any, TypeAlias

from app.domain.aliases import CARRIERS, TOKEN_FIELD
from app.domain.controls import (
    HIGHEST_PRIORITY,
    LOWEST_PRIORITY,
    MAX_LABEL_NAME_CHARS,
    MAX_LABEL_VALUE_CHARS,
    MAX_LABELS,
)
from app.domain.format_input import NAMES as FORMAT_NAMES
from app.domain.offers import Limits
from app.domain.parameter import Kind, Parameter
from app.domain.params import BY_NAME, MAX_BATCH, PARAMETERS
from app.domain.timesteps import MAX_TIMESTEPS

Schema: TypeAlias = dict[str, Any]

FILES = {
    "ref_audio": "Reference audio; wins over `reference_audio_path`.",
    "reference_audio": "Another name of `ref_audio`.",
    "ctx_audio": "Source audio; wins over `src_audio_path`.",
    "src_audio": "Another name of `ctx_audio`.",
}
"""File parts of a multipart request."""

_FORMATS = "WAV, FLAC, MP3 or OGG, recognised by content; M4A, AAC, WebM where a worker can decode them."


def release_task(limits: Limits, *, is_form: bool) -> Schema:
    """Describe the body of `/release_task`: every parameter under every name, carriers and controls."""
    properties: dict[str, Schema] = {}
    for parameter in PARAMETERS:
        properties |= _under_all_names(parameter, limits, is_form=is_form)
    carrier = "More parameters, as an object or as JSON text; the body wins over it."
    properties |= {name: _json_object(carrier, is_form=is_form) for name in ("param_obj", *CARRIERS)}
    return _object(properties | _controls(limits, is_form=is_form))


def release_task_multipart(limits: Limits) -> Schema:
    """Describe the multipart body of `/release_task`: the form fields and the files."""
    schema = release_task(limits, is_form=True)
    for name, about in FILES.items():
        schema["properties"][name] = {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": f"{about} {_FORMATS}",
        }
    return schema


def query_result(max_ids: int, *, is_form: bool) -> Schema:
    """Describe the body of `/query_result`."""
    about = "Ids to ask for, as a list or as JSON text of a list; answered in this order."
    ids: Schema = {"type": "string", "description": about}
    if not is_form:
        ids |= {"type": ["array", "string", "null"], "items": {"type": "string"}, "maxItems": max_ids}
    return _object({"task_id_list": ids, TOKEN_FIELD: _token(is_form=is_form)})


def random_sample(*, is_form: bool) -> Schema:
    """Describe the body of `/create_random_sample`."""
    about = "`simple_mode`, also for blank; anything else asks for an example with metadata chosen by hand."
    word = {"type": _types("string", is_form=is_form), "default": "simple_mode", "description": about}
    return _object({"sample_type": word, TOKEN_FIELD: _token(is_form=is_form)})


def format_input(limits: Limits, *, is_form: bool) -> Schema:
    """Describe the body of `/format_input`."""
    properties = {
        name: _field(BY_NAME[known], limits, is_form=is_form)
        for name, known in (
            ("prompt", "prompt"),
            ("caption", "prompt"),
            ("lyrics", "lyrics"),
            ("temperature", "lm_temperature"),
        )
    }
    for known, names in FORMAT_NAMES.items():
        properties |= {name: _field(BY_NAME[known], limits, is_form=is_form) for name in names}
    about = "Metadata that wins over the language model: duration, bpm, key, time_signature, language."
    properties["param_obj"] = _json_object(about, is_form=is_form)
    return _object(properties | {TOKEN_FIELD: _token(is_form=is_form)})


def rerun(limits: Limits) -> Schema:
    """Describe the body of a re-run: parameters by their canonical names only."""
    overrides = _object({name: _field(known, limits, is_form=False) for name, known in BY_NAME.items()})
    overrides |= {"additionalProperties": False, "description": "New values; null stands for the default."}
    seeds = {
        "type": "string",
        "enum": ["same", "new"],
        "default": "same",
        "description": "Seeds of the clips.",
    }
    return _strict({"seeds": seeds, "overrides": overrides})


def task_changes(limits: Limits) -> Schema:
    """Describe the body of a change: at least one field."""
    controls = _controls(limits, is_form=False)
    hold: Schema = {"type": "boolean", "description": "Nothing of the task is removed; needs team:manage."}
    priority = controls["priority"] | {"type": "integer"}
    labels = controls["labels"] | {"type": "object", "description": "All labels, in place of the old ones."}
    return _strict({"priority": priority, "labels": labels, "legal_hold": hold}) | {"minProperties": 1}


def only_token() -> Schema:
    """Describe the body of a route that takes nothing but perhaps a key."""
    return _strict({})


def _strict(properties: dict[str, Schema]) -> Schema:
    token = {TOKEN_FIELD: _token(is_form=False)}
    return _object(properties | token) | {"additionalProperties": False}


def _under_all_names(parameter: Parameter, limits: Limits, *, is_form: bool) -> dict[str, Schema]:
    field = _field(parameter, limits, is_form=is_form)
    other = {key: value for key, value in field.items() if key != "default"}
    other["description"] = f"Another name of `{parameter.name}`."
    return {parameter.name: field} | {alias: dict(other) for alias in parameter.aliases}


def _field(parameter: Parameter, limits: Limits, *, is_form: bool) -> Schema:
    schema = _value(parameter, limits, is_form=is_form)
    if not (is_form and parameter.default is None):
        schema["default"] = str(parameter.default) if schema["type"] == "string" else parameter.default
    return schema | {"description": describe(parameter)}


def describe(parameter: Parameter) -> str:
    """Return what a parameter is for, its unit, and what happens with other values."""
    sentences = [parameter.about]
    if parameter.unit:
        sentences.append(f"Unit: {parameter.unit}.")
    if parameter.turbo_maximum is not None:
        sentences.append(f"At most {parameter.turbo_maximum} with a turbo model.")
    if parameter.outside:
        sentences.append(f"Other values: {parameter.outside}.")
    return " ".join(sentences)


def _value(parameter: Parameter, limits: Limits, *, is_form: bool) -> Schema:
    longest = limits.chars(parameter.text_limit)
    match parameter.kind:
        case Kind.INT | Kind.FLOAT:
            number = "integer" if parameter.kind is Kind.INT else "number"
            return {"type": _types(number, "string", is_form=is_form)} | _range(parameter, limits)
        case Kind.BOOL:
            return {"type": _types("boolean", "string", is_form=is_form)}
        case Kind.CHOICE:
            null = [] if is_form else [None]
            return {"type": _types("string", is_form=is_form), "enum": [*parameter.choices, *null]}
        case Kind.SEEDS:
            return _list_or({"type": ["integer", "string", "null"]}, "integer", is_form=is_form)
        case Kind.TIMESTEPS:
            step = {"type": "number", "minimum": 0, "maximum": 1}
            return _list_or(step, is_form=is_form, most=MAX_TIMESTEPS + 1)
        case Kind.CODES:
            text = {"type": "string", "maxLength": longest}
            return _list_or(text, is_form=is_form, most=MAX_BATCH) | {"maxLength": longest}
        case Kind.NAMES:
            return _list_or({"type": "string"}, is_form=is_form) | {"maxLength": longest}
        case _:
            return {"type": _types("string", is_form=is_form), "maxLength": longest}


def _range(parameter: Parameter, limits: Limits) -> Schema:
    highest = limits.max_duration_s if parameter.name == "audio_duration" else parameter.maximum
    borders = {"minimum": parameter.minimum, "maximum": highest}
    return {name: border for name, border in borders.items() if border is not None}


def _list_or(item: Schema, *types: str, is_form: bool, most: int | None = None) -> Schema:
    """Describe a list that may also be one text; forms send only the text."""
    if is_form:
        return {"type": "string"}
    limit = {} if most is None else {"maxItems": most}
    return {"type": ["array", *types, "string", "null"], "items": item} | limit


def _controls(limits: Limits, *, is_form: bool) -> dict[str, Schema]:
    labels: Schema = {
        "description": f"At most {MAX_LABELS} short text pairs to find the task by; forms send JSON text.",
        "type": _types("string", is_form=is_form) if is_form else ["object", "string", "null"],
    }
    if not is_form:
        labels |= {
            "maxProperties": MAX_LABELS,
            "propertyNames": {"minLength": 1, "maxLength": MAX_LABEL_NAME_CHARS},
            "additionalProperties": {"type": "string", "maxLength": MAX_LABEL_VALUE_CHARS},
        }
    return {
        "priority": {
            "type": _types("integer", "string", is_form=is_form),
            "minimum": LOWEST_PRIORITY,
            "maximum": HIGHEST_PRIORITY,
            "default": 0,
            "description": "Higher runs first within a team; more than the team may use is cut, recorded.",
        },
        "labels": labels,
        "webhook_url": {
            "type": _types("string", is_form=is_form),
            "format": "uri",
            "maxLength": limits.text_chars,
            "description": "Address that is told when this task has ended.",
        },
        TOKEN_FIELD: _token(is_form=is_form),
    }


def _token(*, is_form: bool) -> Schema:
    about = "The key, for clients that cannot send a header; if it is not empty, it decides alone."
    return {"type": _types("string", is_form=is_form), "description": about}


def _json_object(about: str, *, is_form: bool) -> Schema:
    return {"type": "string" if is_form else ["object", "string", "null"], "description": about}


def _types(*types: str, is_form: bool) -> str | list[str]:
    """Return the JSON types of a field; forms cannot send null."""
    names = list(types) if is_form else [*types, "null"]
    return names[0] if len(names) == 1 else names


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties}
