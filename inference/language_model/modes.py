"""Which steps a request wants from the language model, before anything runs."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from inference.language import Planning

METADATA = ("bpm", "duration", "keyscale", "timesignature")
"""Fields that the diffusion model wants to know of every song."""

_WITHOUT_ANY = ("cover", "repaint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Modes:
    """The steps, in their order.

    Attributes:
        write: replace caption and lyrics first.
        may_complete: fill in what nobody has given by then, or rewrite what may be.
        codes: plan audio codes.
        is_required: whether the job fails without them.
        notes: wishes without effect.
    """

    write: Literal["sample", "format"] | None = None
    may_complete: bool = False
    codes: bool = False
    is_required: bool = False
    notes: tuple[str, ...] = ()


def modes_of(planning: Planning, *, task_type: str, has_text: bool, has_codes: bool) -> Modes:
    """Decide.

    Args:
        has_text: whether caption or lyrics of the user are there.
        has_codes: whether the user gave audio codes.
    """
    samples = planning.sample_mode or bool(planning.sample_query.strip())
    if task_type != "text2music":
        wishes = {
            "thinking": planning.thinking and not has_codes,
            "sample_mode": samples,
            "use_format": planning.use_format,
        }
        notes = tuple(f"{wish} has no effect on {task_type}" for wish, wished in wishes.items() if wished)
        return Modes(may_complete=task_type not in _WITHOUT_ANY, notes=notes)
    formats = planning.use_format and not samples
    return Modes(
        write="sample" if samples else "format" if formats and has_text else None,
        may_complete=True,
        codes=planning.thinking and not has_codes,
        is_required=planning.thinking and not has_codes,
        notes=_notes_on_format(planning.use_format, samples=samples, has_text=has_text),
    )


def _notes_on_format(wished: bool, *, samples: bool, has_text: bool) -> tuple[str, ...]:
    if wished and samples:
        return ("use_format has no effect: sample_mode writes the text anew",)
    return ("use_format has no text to work on",) if wished and not has_text else ()


def missing(planning: Planning, known: Collection[str], rewritten: Collection[str]) -> frozenset[str]:
    """Return what a completion would have to find out.

    Args:
        known: fields with a value, the user's or the model's.
        rewritten: fields that the model has written already.
    """
    wanted = {name for name in METADATA if name not in known}
    if planning.use_cot_caption and "caption" not in rewritten:
        wanted.add("caption")
    if planning.use_cot_language and "language" not in known:
        wanted.add("language")
    return frozenset(wanted)
