"""Audio codes: what the language model plans, five numbers for each second of music."""

from collections.abc import Sequence

from inference.diffusion.tasks import WITH_CODES
from inference.errors import InvalidRequest
from inference.request import AUDIO_CODES, CODE_RATE_HZ, ItemSpec


def count_codes(items: Sequence[ItemSpec], task_type: str) -> int | None:
    """Return how many codes each item has; None if no item has any.

    Raises:
        InvalidRequest: the task takes none, not all items have the same number, or one is out of range.
    """
    given = [item.audio_codes for item in items]
    if all(codes is None for codes in given):
        return None
    if task_type not in WITH_CODES:
        raise InvalidRequest("audio_codes", f"only {' and '.join(WITH_CODES)} take audio codes")
    counts = {len(codes or ()) for codes in given}
    # An item without codes would get a row of code 0 from the library, which is music.
    if len(counts) > 1 or 0 in counts:
        raise InvalidRequest("audio_codes", "every clip needs the same number of codes, or none has any")
    if not all(0 <= code < AUDIO_CODES for codes in given for code in codes or ()):
        raise InvalidRequest("audio_codes", f"codes are from 0 to {AUDIO_CODES - 1}")
    return counts.pop()


def length_s(count: int) -> float:
    """Return the seconds that so many codes stand for."""
    return count / CODE_RATE_HZ


def as_texts(items: Sequence[ItemSpec]) -> list[str] | None:
    """Return the codes of the items as the library reads them; None if they have none."""
    if items[0].audio_codes is None:
        return None
    return ["".join(f"<|audio_code_{code}|>" for code in item.audio_codes or ()) for item in items]
