"""From an old task to a new one: the same again, or with other values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from app.domain import seeds
from app.domain.credentials import without_credentials
from app.domain.draft import Draft
from app.domain.errors import ValidationError
from app.domain.history import StoredTask
from app.domain.inputs import PATH_PARAMETERS, TaskInput
from app.domain.offers import Offers
from app.domain.params import BY_NAME
from app.domain.reading import Reader
from app.domain.rules import apply_rules, choose_model
from app.domain.task import Origin, Submission

FIELDS = ("seeds", "overrides")
_SEEDS = ("same", "new")
_SHOWN_CHARS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the client wants to be different; `overrides` by canonical names, null = the default."""

    has_new_seeds: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)


def read_wish(fields: Mapping[str, Any]) -> Wish:
    """Read the body of a re-run.

    Raises:
        ValidationError: a wrong choice, or a parameter that is not in the table.
    """
    word, overrides = fields.get("seeds", "same"), fields.get("overrides", {})
    if word not in _SEEDS:
        raise ValidationError("seeds must be same or new")
    if not isinstance(overrides, Mapping):
        raise ValidationError("overrides must be an object")
    for name in overrides:
        if name not in BY_NAME:
            raise ValidationError(f"unknown parameter: {without_credentials(name)[:_SHOWN_CHARS]}")
    return Wish(has_new_seeds=word == "new", overrides=overrides)


def derive(
    task: StoredTask, wish: Wish, offers: Offers, *, relation: str, request: Mapping[str, Any]
) -> Submission:
    """Make the submission of a new task from an old one.

    What the wish does not name keeps its effective value; rules are applied to the whole.

    Args:
        request: the body of this request, as received.

    Raises:
        ValidationError: a wrong value, or something that is not offered any more.
    """
    old, overrides = task.params, wish.overrides
    requested, model = choose_model(overrides.get("model") or task.model, offers)
    draft = Draft(_given(old, overrides))
    reader = Reader(draft, offers.limits, is_turbo=model.category == "turbo")
    for name, parameter in BY_NAME.items():
        draft.values[name] = reader.read(parameter) if name in overrides else old.get(name, parameter.default)
    draft.values["model"] = model.name
    inputs = _inherited(task, overrides)
    draft.values |= {PATH_PARAMETERS[given.role]: None for given in inputs}
    _wish_for_seeds(draft, wish)
    apply_rules(draft, model, offers, uploaded=[given.role for given in inputs])
    return Submission(
        request=without_credentials(dict(request)),
        content_type="application/json",
        requested_model=requested if "model" in overrides else task.requested_model,
        params=draft.values,
        adjustments=draft.adjustments,
        priority=task.priority,
        labels=task.labels,
        webhook_url=task.webhook_url,
        origin=Origin(
            task_id=task.id,
            relation=relation,
            inputs=inputs,
            seeds=_kept_seeds(old, draft, wish),
            lm_seed=None if wish.has_new_seeds else old.get("lm_seed"),
        ),
    )


def _given(old: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """What counts as said by the client: overrides, and a language that was chosen before."""
    chosen = old.get("vocal_language_explicit") or old.get("vocal_language") == "unknown"
    language = {"vocal_language": old["vocal_language"]} if chosen else {}
    return language | {name: value for name, value in overrides.items() if value is not None}


def _inherited(task: StoredTask, overrides: Mapping[str, Any]) -> list[TaskInput]:
    inputs = msgspec.convert(task.inputs, list[TaskInput])
    return [given for given in inputs if PATH_PARAMETERS[given.role] not in overrides]


def _wish_for_seeds(draft: Draft, wish: Wish) -> None:
    """Settle whether seeds are drawn: a named seed is meant to be used, and new ones are all drawn."""
    names_seed = draft.is_given("seed")
    if "use_random_seed" not in wish.overrides:
        if names_seed:
            draft.values["use_random_seed"] = False
        elif wish.has_new_seeds:
            draft.values["use_random_seed"] = True
    if not names_seed:
        is_random = draft["use_random_seed"]
        draft.values["seed"] = [] if is_random else draft["seed"][: draft["batch_size"]]


def _kept_seeds(old: Mapping[str, Any], draft: Draft, wish: Wish) -> list[int] | None:
    """The old seeds, and drawn ones for further clips; None if the seeds are not the old ones."""
    if wish.has_new_seeds or {"seed", "use_random_seed"} & set(wish.overrides):
        return None
    return seeds.draw(old["seeds"], draft["batch_size"])[0]
