import re
from collections.abc import Callable
from typing import Any

import pytest

from app.domain.aliases import ALIASES
from app.domain.errors import ValidationError
from app.domain.params import PARAMETERS
from app.domain.task import Submission

Parse = Callable[..., Submission]

CANONICAL = """
prompt lyrics thinking sample_mode sample_query use_format model bpm key_scale time_signature audio_duration
vocal_language inference_steps guidance_scale use_random_seed seed batch_size audio_code_string shift
infer_method timesteps use_adg cfg_interval_start cfg_interval_end audio_format use_tiled_decode lm_model_path
lm_backend lm_temperature lm_cfg_scale lm_negative_prompt lm_top_k lm_top_p lm_repetition_penalty
use_cot_caption use_cot_language constrained_decoding constrained_decoding_debug allow_lm_batch
is_format_caption reference_audio_path src_audio_path task_type instruction track_name track_classes
repainting_start repainting_end audio_cover_strength
"""

# One allowed value that is not the default, in the spelling of the wire.
SAMPLE: dict[str, tuple[Any, Any]] = {
    "int": ("9", 9),
    "float": ("0.5", 0.5),
    "bool": (True, True),
    "str": ("some text", "some text"),
    "str[] or comma text": ("drums, bass", ["drums", "bass"]),
}
SPECIAL: dict[str, tuple[Any, Any]] = {
    "model": ("acestep-v15-base", "acestep-v15-base"),
    "bpm": (99, 99),
    "vocal_language": ("it", "it"),
    "audio_duration": (33.5, 33.5),
    "guidance_scale": (3, 3.0),
    "batch_size": (3, 3),
    "audio_code_string": ("<|audio_code_1|>", "<|audio_code_1|>"),
    "audio_format": ("flac", "flac"),
    "infer_method": ("sde", "sde"),
    "lm_backend": ("pt", "pt"),
    "lm_model_path": ("acestep-5Hz-lm-1.7B", "acestep-5Hz-lm-1.7B"),
    "task_type": ("cover", "cover"),
    "repainting_end": (12, 12.0),
}
DEFAULT_TRUE = {p.name for p in PARAMETERS if p.default is True}
PATHS = {"reference_audio_path", "src_audio_path"}
PAIRS = [(name, alias) for name, aliases in ALIASES.items() for alias in aliases]


def test_the_table_has_every_parameter_of_the_contract() -> None:
    assert {p.name for p in PARAMETERS} == set(CANONICAL.split())


def test_every_alias_belongs_to_one_parameter_only() -> None:
    names = [name for p in PARAMETERS for name in p.names]
    assert len(names) == len(set(names))


def test_every_snake_case_name_has_its_camel_case_form() -> None:
    for parameter in PARAMETERS:
        for name in parameter.names:
            if "_" in name:
                camel = re.sub(r"_(\w)", lambda match: match[1].upper(), name)
                assert camel in parameter.names, name


@pytest.mark.parametrize(("name", "alias"), [pair for pair in PAIRS if pair[0] not in PATHS])
def test_an_alias_sets_its_parameter(parse: Parse, name: str, alias: str) -> None:
    kind = next(p.kind.value for p in PARAMETERS if p.name == name)
    sent, used = SPECIAL.get(name) or SAMPLE[kind]
    if name in DEFAULT_TRUE:
        sent, used = "no", False
    context: dict[str, Any] = {"model": "acestep-v15-base"} if name != "model" else {}
    if name in ("audio_code_string", "task_type"):
        context |= {"thinking": True, "audio_code_string": "<|audio_code_1|>"}
        context.pop(name, None)
    assert parse(context | {alias: sent}).params[name] == used


@pytest.mark.parametrize("alias", [alias for name, alias in PAIRS if name in PATHS])
@pytest.mark.parametrize("carrier", [None, "param_obj", "metas", "userMetadata"])
def test_no_spelling_goes_around_the_path_check(parse: Parse, alias: str, carrier: str | None) -> None:
    body: dict[str, Any] = {alias: "s3://bucket/key.wav"}
    with pytest.raises(ValidationError, match=r"^audio path not available$"):
        parse({carrier: body} if carrier else body)


def test_aliases_are_tried_in_table_order(parse: Parse) -> None:
    assert parse({"key": "E", "keyScale": "D", "keyscale": "C"}).params["key_scale"] == "C"


def test_the_body_wins_over_param_obj_and_that_over_metas(parse: Parse) -> None:
    carriers = {"param_obj": {"bpm": 2 * 40}, "metas": {"bpm": 70}}
    assert parse({"bpm": 90, **carriers}).params["bpm"] == 90
    assert parse({"bpm": None, **carriers}).params["bpm"] == 80
    assert parse({"metas": {"bpm": 70}}).params["bpm"] == 70


@pytest.mark.parametrize("broken", ["{", "[1]", "5", 7, [1], "nonsense"])
def test_a_broken_carrier_is_empty_and_hides_later_ones(parse: Parse, broken: Any) -> None:
    params = parse({"param_obj": broken, "metas": broken, "meta": {"bpm": 70}}).params
    assert params["bpm"] is None


@pytest.mark.parametrize("empty", [None, "", "  ", {}, []])
def test_an_empty_carrier_gives_way_to_the_next(parse: Parse, empty: Any) -> None:
    assert parse({"metas": empty, "user_metadata": {"bpm": 70}}).params["bpm"] == 70


def test_null_as_text_is_absent_for_numbers_in_forms_only(parse: Parse) -> None:
    body = {"bpm": "null", "metas": '{"bpm": 70}', "prompt": "null", "timesteps": "null"}
    form = parse(body, content_type="application/x-www-form-urlencoded").params
    assert (form["bpm"], form["prompt"], form["timesteps"]) == (70, "null", None)
    assert parse({"bpm": "null", "metas": {"bpm": 70}}).params["bpm"] is None
