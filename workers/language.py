"""The language model between settings, rows and the engine: what a worker offers, and a job's part of it."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inference.language import LanguageOptions, LanguageRecord, Planning
from inference.models import registry
from inference.request import ModelInfo

# What a process with torch takes before it holds a model.
SPARE_BYTES = 2**30


def offered_names(default: str, *, init: bool | str, models_dir: Path) -> tuple[str, ...]:
    """Return the language models that a worker may offer: the configured one, then others that are here.

    Args:
        init: False = none; True = the configured one in any case, so that the start fails without its files;
            `auto` = only if they are here.
    """
    if init is False:
        return ()
    here = [
        spec.name
        for spec in registry.known(models_dir)
        if spec.kind == "language"
        and (spec.name == default if spec.is_built_here else registry.is_on_disk(spec, models_dir))
    ]
    others = [name for name in here if name != default]
    return (default, *others) if init is True or default in here else tuple(others)


def is_language_model(model: ModelInfo) -> bool:
    """Tell a language model among the models of a child."""
    return model.category == "lm"


def wants_prompt_slot(wanted: bool | str, names: Sequence[str], *, models_dir: Path) -> bool:
    """Whether prompts get a child of their own, which holds the default language model only.

    Args:
        wanted: `auto` = without an accelerator, where the model fits into free memory a second time; an
            accelerator's memory is left to the songs.
    """
    if not names or wanted is False:
        return False
    return wanted is True or (not has_accelerator() and _fits(names[0], models_dir))


def has_accelerator() -> bool:
    """Whether this machine has a CUDA card or Apple's; the supervisor loads no library that would know."""
    return sys.platform == "darwin" or Path("/dev/nvidiactl").exists()


def _fits(name: str, models_dir: Path) -> bool:
    # Half precision on disk, float32 in memory, and as much again for the work.
    needed = 4 * registry.find(name, models_dir).size_bytes
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") > needed + SPARE_BYTES


def options_of(params: Mapping[str, Any]) -> LanguageOptions:
    """Map the stored parameters of the language model."""
    return LanguageOptions(
        model=params["lm_model_path"] or "",
        backend=params["lm_backend"],
        seed=params["lm_seed"],
        temperature=params["lm_temperature"],
        cfg_scale=params["lm_cfg_scale"],
        negative_prompt=params["lm_negative_prompt"],
        top_k=params["lm_top_k"],
        top_p=params["lm_top_p"],
        repetition_penalty=params["lm_repetition_penalty"],
        constrained=params["constrained_decoding"],
        debug=params["constrained_decoding_debug"],
    )


def planning_of(params: Mapping[str, Any]) -> Planning:
    """Map what the language model may do for a job."""
    return Planning(
        options=options_of(params),
        thinking=params["thinking"],
        sample_mode=params["sample_mode"],
        sample_query=params["sample_query"],
        use_format=params["use_format"],
        use_cot_caption=params["use_cot_caption"],
        use_cot_language=params["use_cot_language"],
        language_is_explicit=params["vocal_language_explicit"],
        batch=params["allow_lm_batch"],
    )


def stored_record(record: LanguageRecord) -> dict[str, Any] | None:
    """What the row keeps of the language model's part; None if it was not asked for anything."""
    if not record.phases and not record.notes:
        return None
    written = asdict(record.written)
    return {
        "caption": written.pop("caption"),
        "lyrics": written.pop("lyrics"),
        "metas": {name: value for name, value in written.items() if value},
        "codes": record.codes,
        "backend_requested": record.backend_requested,
        "backend_used": record.backend_used,
        "fallback": record.fallback,
        "parameters": record.parameters,
        "phases": [asdict(phase) for phase in record.phases],
        "notes": record.notes,
    }
