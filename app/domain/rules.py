"""What the parameters mean together: rules over a whole request, each of them one function."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from app.domain import coerce
from app.domain.codes import CODES_PER_SECOND, parse_codes
from app.domain.draft import Draft
from app.domain.errors import ValidationError
from app.domain.inputs import PATH_PARAMETERS, Role, parse_audio_path
from app.domain.offers import ModelOffer, Offers
from app.domain.params import BASE_ONLY_TASKS, CODE_TASKS, VOCAL_LANGUAGES

_TIME_SIGNATURES = {"2/4": "2", "3/4": "3", "4/4": "4", "6/8": "6"}
_NO_LM = "no language model is offered"


def choose_model(given: Any, offers: Offers) -> tuple[str | None, ModelOffer]:
    """Return the model as asked for (None = not asked) and the offered one that will run.

    Raises:
        ValidationError: no such model, with the names of the offered ones.
    """
    asked = "" if given is None else coerce.to_text(given, "model").strip()
    name = asked.removeprefix("acestep/") or offers.default_model
    for candidate in (offers.model_aliases.get(asked), name and offers.model_aliases.get(name), name):
        for model in offers.models:
            if model.name == candidate:
                return asked or None, model
    available = ", ".join(model.name for model in offers.models) or "none"
    raise ValidationError(f"model {asked[:100] or 'default'} is not available; available: {available}")


def apply_rules(draft: Draft, model: ModelOffer, offers: Offers, uploaded: Collection[Role]) -> None:
    """Settle the values of a draft that depend on each other.

    Args:
        uploaded: inputs that came as files.

    Raises:
        ValidationError: a combination that cannot run.
    """
    _settle_model_family(draft, model)
    _settle_seeds(draft)
    _settle_metadata(draft)
    _settle_schedule(draft)
    _settle_inputs(draft, uploaded)
    _settle_codes(draft, offers)
    _settle_task(draft, model, has_source=Role.SOURCE in uploaded)
    _settle_language_model(draft, offers)


def _settle_model_family(draft: Draft, model: ModelOffer) -> None:
    if model.category != "turbo":
        return
    if draft.is_given("guidance_scale") and draft["guidance_scale"] != 1.0:
        draft.change("guidance_scale", 1.0, "turbo models use no guidance")
    draft.values["guidance_scale"] = 1.0
    if draft["use_adg"]:
        draft.change("use_adg", False, "turbo models use no guidance")
    if draft.is_given("shift") and not model.name.endswith("-continuous"):
        draft.note("shift", draft["shift"], None, "turbo models use their own shift")


def _settle_seeds(draft: Draft) -> None:
    batch_size = draft["batch_size"]
    wish = draft["seed"]
    if draft["use_random_seed"]:
        if any(seed is not None for seed in wish):
            draft.note("seed", draft.given["seed"], None, "use_random_seed is on: all seeds are drawn")
        wish = []
    elif len(wish) > batch_size:
        draft.note("seed", draft.given["seed"], wish[:batch_size], f"more seeds than clips ({batch_size})")
    draft.values["seed"] = [*wish[:batch_size], *[None] * (batch_size - len(wish))]


def _settle_metadata(draft: Draft) -> None:
    signature = draft["time_signature"].strip()
    draft.values["time_signature"] = _TIME_SIGNATURES.get(signature, signature)
    draft.values["vocal_language_explicit"] = False
    if not draft.is_given("vocal_language"):
        draft.values["vocal_language"] = "en"
        return
    code = draft["vocal_language"].strip().lower().replace("_", "-").split("-")[0]
    if code in VOCAL_LANGUAGES:
        draft.values["vocal_language"] = code
        # The planner may only overrule a language that the client did not choose.
        draft.values["vocal_language_explicit"] = True
    elif code == "unknown":
        draft.values["vocal_language"] = code
    else:
        draft.change("vocal_language", "unknown", "not a language of the model")


def _settle_schedule(draft: Draft) -> None:
    if draft["cfg_interval_start"] > draft["cfg_interval_end"]:
        raise ValidationError("cfg_interval_start must not be greater than cfg_interval_end")
    end = draft["repainting_end"]
    if end is not None and end <= draft["repainting_start"]:
        raise ValidationError("repainting_end must be greater than repainting_start")
    steps = draft["timesteps"]
    if steps is not None:
        if draft.is_given("inference_steps") and draft["inference_steps"] != len(steps):
            draft.note("inference_steps", draft["inference_steps"], len(steps), "timesteps decide")
        draft.values["inference_steps"] = len(steps)


def _settle_inputs(draft: Draft, uploaded: Collection[Role]) -> None:
    for role, name in PATH_PARAMETERS.items():
        path = draft[name]
        if path is None:
            continue
        if role in uploaded:
            draft.change(name, None, "the uploaded file is used")
        else:
            parse_audio_path(path)  # what it names is looked up at submission


def _settle_codes(draft: Draft, offers: Offers) -> None:
    codes = draft["audio_code_string"]
    texts = [codes] if isinstance(codes, str) else codes
    if not any(text.strip() for text in texts):
        draft.values["audio_code_string"] = ""
    elif not draft["thinking"]:
        draft.change("audio_code_string", "", "thinking is off")
    elif draft["task_type"] not in CODE_TASKS:
        draft.change("audio_code_string", "", f"{draft['task_type']} takes no audio codes")
    else:
        _check_codes(draft, texts, offers.limits.max_duration_s)


def _check_codes(draft: Draft, texts: Sequence[str], max_duration_s: float) -> None:
    if len(texts) not in (1, draft["batch_size"]) or not all(text.strip() for text in texts):
        raise ValidationError(
            f"audio_code_string needs one non-empty text or one per clip ({draft['batch_size']})"
        )
    count = len(parse_codes(texts)[0])
    duration_s = count / CODES_PER_SECOND
    if duration_s > max_duration_s:
        raise ValidationError(
            f"audio_code_string holds {count} codes, which are {duration_s:g} s; at most "
            f"{max_duration_s:g} s are allowed"
        )
    if draft["audio_duration"] not in (None, duration_s):
        draft.change("audio_duration", duration_s, "the audio codes give the length")
    draft.values["audio_duration"] = duration_s


def _settle_task(draft: Draft, model: ModelOffer, *, has_source: bool) -> None:
    task = draft["task_type"]
    if task in BASE_ONLY_TASKS and model.category != "base":
        raise ValidationError(f"task_type {task} needs a base model; {model.name} is {model.category}")
    if task not in model.tasks:
        raise ValidationError(f"{model.name} cannot do task_type {task}; it does {', '.join(model.tasks)}")
    if task == "text2music":
        return
    has_source = has_source or draft["src_audio_path"] is not None
    if draft["audio_code_string"]:
        if has_source:
            draft.note(
                "src_audio_path", draft["src_audio_path"], None, "the audio codes are followed instead"
            )
        return
    if not has_source:
        raise ValidationError(f"task_type {task} needs a source audio")
    if draft["audio_duration"] is not None:
        draft.change("audio_duration", None, "the source gives the length")


def _settle_language_model(draft: Draft, offers: Offers) -> None:
    if draft["sample_query"].strip():
        draft.values["sample_mode"] = True
    needs = language_model_need(draft.values)
    if needs and not offers.lm_offered:
        raise ValidationError(f"{needs} needs a language model, but {_NO_LM}; send the request without it")
    if not offers.lm_offered:
        for flag in ("use_cot_caption", "use_cot_language"):
            if draft[flag]:
                draft.change(flag, False, _NO_LM)
    _settle_lm_sampling(draft, offers)


def language_model_need(values: Mapping[str, Any]) -> str | None:
    """Name the parameter that cannot be served without a language model; None if there is none."""
    if values["sample_query"].strip():
        return "sample_query"
    if values["sample_mode"]:
        return "sample_mode"
    if values["use_format"]:
        return "use_format"
    plans = values["thinking"] and values["task_type"] == "text2music" and not values["audio_code_string"]
    return "thinking" if plans else None


def _settle_lm_sampling(draft: Draft, offers: Offers) -> None:
    name = draft["lm_model_path"]
    if name is None:
        draft.values["lm_model_path"] = offers.default_lm
    elif name not in offers.lm_names:
        draft.change("lm_model_path", offers.default_lm, "not an offered language model")
    if not draft.is_given("lm_backend"):
        draft.values["lm_backend"] = offers.default_lm_backend
    if not 0 < draft["lm_top_p"] < 1:
        draft.values["lm_top_p"] = 1.0
