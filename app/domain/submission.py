"""From the body of `/release_task` to a `Submission`: look up, read, judge."""

from collections.abc import Collection, Mapping
from typing import Any

from app.domain.aliases import Sources
from app.domain.controls import parse_labels, parse_priority, parse_task_webhook
from app.domain.credentials import without_credentials
from app.domain.draft import Draft
from app.domain.inputs import Role
from app.domain.offers import Offers
from app.domain.params import PARAMETERS
from app.domain.reading import Reader
from app.domain.rules import apply_rules, choose_model
from app.domain.task import Submission

_FORM_TYPES = ("multipart/form-data", "application/x-www-form-urlencoded")


def parse_submission(
    body: Mapping[str, Any], *, content_type: str, offers: Offers, uploaded: Collection[Role] = ()
) -> Submission:
    """Read a request leniently in numbers and strictly in choices.

    Besides the canonical parameters, `params` holds `vocal_language_explicit`; `seed` is the wish, one
    number or None per clip, for `seeds.draw`; the paths of inputs are wishes, not yet looked up.

    Args:
        body: decoded object of the request, without files.
        content_type: as received; in forms the text `null` is an absent number.
        uploaded: inputs that came as files; they win over paths.

    Raises:
        ValidationError: a wrong choice, a too long text, or a combination that cannot run.
    """
    draft = Draft(_look_up(body, is_form=content_type.startswith(_FORM_TYPES)))
    requested_model, model = choose_model(draft.given.get("model"), offers)
    reader = Reader(draft, offers.limits, is_turbo=model.category == "turbo")
    for parameter in PARAMETERS:
        draft.values[parameter.name] = reader.read(parameter)
    draft.values["model"] = model.name
    apply_rules(draft, model, offers, uploaded)
    priority, note = parse_priority(body.get("priority"), max_priority=offers.max_priority)
    return Submission(
        request=without_credentials(body),
        content_type=content_type,
        requested_model=requested_model,
        params=draft.values,
        adjustments=[*draft.adjustments, *([note] if note else [])],
        priority=priority,
        labels=parse_labels(body.get("labels")),
        webhook_url=parse_task_webhook(
            body.get("webhook_url"),
            max_chars=offers.limits.text_chars,
            allow_http=offers.limits.webhook_http,
            allowed=offers.limits.webhook_networks,
        ),
    )


def _look_up(body: Mapping[str, Any], *, is_form: bool) -> dict[str, Any]:
    sources = Sources(body)
    found = {
        parameter.name: sources.find(parameter.names, null_text=is_form and parameter.kind.is_numeric)
        for parameter in PARAMETERS
    }
    return {name: value for name, value in found.items() if value is not None}
