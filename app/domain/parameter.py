"""What a row of the parameter table says about one parameter."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.domain.aliases import ALIASES


class Kind(StrEnum):
    """How a value is read."""

    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    TEXT = "str"
    CHOICE = "choice"
    SEEDS = "int, str or int[]"
    TIMESTEPS = "str or float[]"
    CODES = "str or str[]"
    NAMES = "str[] or comma text"

    @property
    def is_numeric(self) -> bool:
        """Whether a form may say `null` for "not given"."""
        return self in (Kind.INT, Kind.FLOAT, Kind.SEEDS, Kind.TIMESTEPS)


class TextLimit(StrEnum):
    """Which of the text limits holds."""

    PROMPT = "prompt"
    LYRICS = "lyrics"
    OTHER = "other"
    CODES = "codes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One row of the table.

    Attributes:
        minimum, maximum: values outside are set to the nearer one, and recorded.
        turbo_maximum: the maximum for turbo models, where it differs.
        nonpositive_is_unset: zero and below mean "not given".
        choices: anything else is refused.
        outside: what happens with other values, in words.
    """

    name: str
    kind: Kind
    about: str
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    turbo_maximum: int | None = None
    nonpositive_is_unset: bool = False
    choices: tuple[str, ...] = ()
    text_limit: TextLimit = TextLimit.OTHER
    unit: str = ""
    outside: str = ""

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other accepted names, in the order in which they are tried."""
        return ALIASES.get(self.name, ())

    @property
    def names(self) -> tuple[str, ...]:
        """The canonical name, then the aliases."""
        return (self.name, *self.aliases)
