"""Our own fields beside the music: priority, labels, webhook."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.domain import coerce
from app.domain.addresses import Network
from app.domain.errors import ValidationError
from app.domain.task import Adjustment
from app.domain.webhook_url import parse_webhook_url, refuse_private_address
from app.domain.wire_json import decode_json

LOWEST_PRIORITY, HIGHEST_PRIORITY = -10, 10
MAX_LABELS = 16
MAX_LABEL_NAME_CHARS = 64
MAX_LABEL_VALUE_CHARS = 256


def parse_priority(value: Any, *, max_priority: int) -> tuple[int, Adjustment | None]:
    """Read -10 to 10, at most the team's maximum; other numbers are clamped, junk is 0."""
    if value is None:
        return 0, None
    number = coerce.to_int(value)
    if number is None:
        return 0, Adjustment(field="priority", given=str(value)[:64], used=0, reason="not a whole number")
    return clamp_priority(number, max_priority=max_priority)


def clamp_priority(number: int, *, max_priority: int) -> tuple[int, Adjustment | None]:
    """Set a priority to the nearest that the team may use."""
    highest = min(HIGHEST_PRIORITY, max_priority)
    used = max(LOWEST_PRIORITY, min(number, highest))
    if used == number:
        return used, None
    border = "maximum of the team" if number > highest else "minimum"
    return used, Adjustment(field="priority", given=number, used=used, reason=f"the {border} is {used}")


def parse_labels(value: Any) -> dict[str, str]:
    """Read an object of at most 16 short text pairs; forms may send it as JSON text.

    Raises:
        ValidationError: anything else.
    """
    if coerce.is_blank(value):
        return {}
    if isinstance(value, str):
        value = decode_json(value)
    if not isinstance(value, Mapping) or len(value) > MAX_LABELS:
        raise ValidationError(f"labels must be an object of at most {MAX_LABELS} text pairs")
    labels = {name: coerce.to_text(text, "a label") for name, text in value.items()}
    for name, text in labels.items():
        if not 0 < len(name) <= MAX_LABEL_NAME_CHARS or len(text) > MAX_LABEL_VALUE_CHARS:
            raise ValidationError(
                f"a label needs a name of 1 to {MAX_LABEL_NAME_CHARS} characters "
                f"and a text of at most {MAX_LABEL_VALUE_CHARS}"
            )
    return labels


def parse_task_webhook(
    value: Any, *, max_chars: int, allow_http: bool, allowed: Sequence[Network] = ()
) -> str | None:
    """Read the address that is told about the end of this task.

    Args:
        allowed: networks that are not public and may be reached all the same.

    Raises:
        ValidationError: an address that cannot be used.
    """
    if coerce.is_blank(value):
        return None
    url = coerce.to_text(value, "webhook_url")
    parsed = parse_webhook_url(url, allow_http=allow_http, field="webhook_url", max_chars=max_chars)
    refuse_private_address(parsed, allowed=allowed, field="webhook_url")
    return parsed
