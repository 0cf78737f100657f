"""The grammar of a think block, in the Lark dialect of llguidance, for every backend the same.

A lexeme takes as much as it can. So every field begins with its own newline, and a caption is a rule made of
lines: as one lexeme it would swallow the newline and have to go on for ever.
"""

import json
from collections.abc import Mapping, Sequence

from inference.language_model.block import (
    BPM_RANGE,
    DURATION_RANGE_S,
    GENRES_MAX_CHARS,
    KEYSCALES,
    LANGUAGES,
    TIME_SIGNATURES,
)
from inference.language_model.vocabulary import Vocabulary

FREE_MAX_TOKENS = 512

_CAPTION_MAX_LINES = 12
_NEWLINE = "\n"
# Control characters, backtick, separators that other programs take for line ends, and the `<` that begins
# the marks of the tokenizer: a caption must not spell `</think>` in letters.
_EXCLUDED = r"\x00-\x1F\x7F\u0085\u2028\u2029`<"
_FIRST, _FURTHER = f"[^ {_EXCLUDED}]", f"[^{_EXCLUDED}]"


def block_grammar(
    fields: Sequence[str],
    forced: Mapping[str, int | str],
    vocabulary: Vocabulary,
    *,
    max_duration_s: int = DURATION_RANGE_S[1],
    free_max_tokens: int = FREE_MAX_TOKENS,
) -> str:
    """Return the grammar of a block with these fields.

    Args:
        fields: names of `block.FIELDS`, in that order.
        forced: values that the model has to write, each in its domain.
        free_max_tokens: of a caption, and of genres.
    """
    rules = {
        "bpm": f"/{whole_numbers(*BPM_RANGE)}/",
        "caption": _caption(),
        "duration": f"/{whole_numbers(DURATION_RANGE_S[0], max_duration_s)}/",
        "genres": f"/{_FIRST}{_FURTHER}{{0,{GENRES_MAX_CHARS - 1}}}/",
        "keyscale": f"/{'|'.join(KEYSCALES)}/",
        "language": f"/{'|'.join(LANGUAGES)}/",
        "timesignature": f"/{'|'.join(TIME_SIGNATURES)}/",
    }
    body = [_field(name, forced.get(name)) for name in fields]
    start = [f"<[{vocabulary.think}]>", *body, _literal(_NEWLINE), f"<[{vocabulary.end_of_think}]>"]
    limit = dict.fromkeys(("caption", "genres"), f"[max_tokens={free_max_tokens}]")
    free = [f"{name}{limit.get(name, '')}: {rules[name]}" for name in fields if name not in forced]
    return "\n".join([f"start: {' '.join(start)}", *free, ""])


def whole_numbers(low: int, high: int) -> str:
    """Return a regular expression of the numbers from low to high, both positive, without leading zeros."""
    lengths = range(len(str(low)), len(str(high)) + 1)
    return "|".join(
        _digits(str(max(low, 10 ** (length - 1))), str(min(high, 10**length - 1))) for length in lengths
    )


def _digits(low: str, high: str) -> str:
    """Return an expression of the numbers between two of one length."""
    rest = len(low) - 1
    if rest < 0:
        return ""
    if low[0] == high[0]:
        return low[0] + _digits(low[1:], high[1:])
    parts = [low[0] + _digits(low[1:], "9" * rest)]
    if int(high[0]) - int(low[0]) > 1:
        parts.append(f"[{int(low[0]) + 1}-{int(high[0]) - 1}]" + "[0-9]" * rest)
    parts.append(high[0] + _digits("0" * rest, high[1:]))
    return f"({'|'.join(parts)})"


def _field(name: str, forced: int | str | None) -> str:
    begin = f"{_NEWLINE}{name}: "
    return f"{_literal(begin)} {name}" if forced is None else _literal(f"{begin}{forced}")


def _caption() -> str:
    """A grammar of its own, because only a whole one can have a limit of tokens."""
    return f"""%lark {{
start: LINE ("\\n  " LINE){{0,{_CAPTION_MAX_LINES - 1}}}
LINE: /{_FIRST}{_FURTHER}*/
}}"""


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
