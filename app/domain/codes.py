"""Audio codes as text: `<|audio_code_N|>` again and again, five for each second of music."""

import re
from collections.abc import Sequence

from app.domain.errors import ValidationError

CODES_PER_SECOND = 5
MAX_CODE = 63_999

_CODE = re.compile(r"<\|audio_code_(\d+)\|>", re.ASCII)


def parse_codes(texts: Sequence[str]) -> list[tuple[int, ...]]:
    """Read the codes of each text; what stands around them does not count.

    Raises:
        ValidationError: a text without codes, a code out of range, or texts of different numbers of codes.
    """
    parsed = [_parse(text) for text in texts]
    counts = sorted({len(codes) for codes in parsed})
    if len(counts) > 1:
        raise ValidationError(
            "audio_code_string needs the same number of codes for every clip, "
            f"not {counts[0]} and {counts[-1]}"
        )
    return parsed


def code_text(codes: Sequence[int]) -> str:
    """Return codes in their text form."""
    return "".join(f"<|audio_code_{code}|>" for code in codes)


def _parse(text: str) -> tuple[int, ...]:
    numbers = _CODE.findall(text)
    if not numbers:
        raise ValidationError("audio_code_string holds no code such as <|audio_code_123|>")
    for number in numbers:
        # By its digits first: converting very long ones is slow, and Python refuses to.
        if len(number.lstrip("0")) > len(str(MAX_CODE)) or int(number) > MAX_CODE:
            raise ValidationError(
                f"audio_code_string holds the code {number[:20]}; codes are from 0 to {MAX_CODE}"
            )
    return tuple(map(int, numbers))
