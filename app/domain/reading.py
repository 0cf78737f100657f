"""Reading one parameter of the table: coerce, clamp, refuse."""

from typing import Any

from app.domain import coerce
from app.domain.draft import Draft
from app.domain.errors import ValidationError
from app.domain.offers import Limits
from app.domain.parameter import Kind, Parameter
from app.domain.params import MAX_BATCH
from app.domain.seeds import parse_wish
from app.domain.timesteps import parse_timesteps


class Reader:
    """Turns the given values of a draft into allowed ones."""

    def __init__(self, draft: Draft, limits: Limits, *, is_turbo: bool) -> None:
        self._draft = draft
        self._limits = limits
        self._is_turbo = is_turbo

    def read(self, parameter: Parameter) -> Any:
        """Return the value to use; clamps and defaults for unreadable numbers are recorded.

        Raises:
            ValidationError: a wrong choice, type or length.
        """
        value = self._draft.given.get(parameter.name)
        if value is None:
            return [] if parameter.kind is Kind.SEEDS else parameter.default
        match parameter.kind:
            case Kind.INT | Kind.FLOAT:
                return self._number(parameter, value)
            case Kind.BOOL:
                yes = coerce.to_bool(value)
                return parameter.default if yes is None else yes
            case Kind.CHOICE:
                return self._choice(parameter, value)
            case Kind.SEEDS:
                return parse_wish(value)
            case Kind.TIMESTEPS:
                return parse_timesteps(value)
            case Kind.CODES:
                return self._codes(parameter, value)
            case Kind.NAMES:
                return self._names(parameter, value)
            case _:
                text = self._text(parameter, value)
                return None if parameter.default is None and not text.strip() else text

    def _number(self, parameter: Parameter, value: Any) -> int | float | None:
        name = parameter.name
        is_int = parameter.kind is Kind.INT
        number = coerce.to_int(value) if is_int else coerce.to_float(value)
        if number is None:
            reason = "blank" if coerce.is_blank(value) else f"not a{' whole' if is_int else ''} number"
            self._draft.note(name, value, parameter.default, reason)
            return parameter.default  # type: ignore[no-any-return]
        if parameter.nonpositive_is_unset and number <= 0:
            return None
        low, high = parameter.minimum, self._maximum(parameter)
        if low is not None and number < low:
            return self._clamp(name, value, int(low) if is_int else float(low), "minimum")
        if high is not None and number > high:
            return self._clamp(name, value, int(high) if is_int else float(high), "maximum")
        return number

    def _maximum(self, parameter: Parameter) -> float | None:
        if parameter.name == "audio_duration":
            return self._limits.max_duration_s
        if self._is_turbo and parameter.turbo_maximum is not None:
            return parameter.turbo_maximum
        return parameter.maximum

    def _clamp(self, name: str, given: Any, used: int | float, border: str) -> int | float:
        self._draft.note(name, given, used, f"the {border} is {used:g}")
        return used

    def _text(self, parameter: Parameter, value: Any) -> str:
        text = coerce.to_text(value, parameter.name)
        longest = self._limits.chars(parameter.text_limit)
        if len(text) > longest:
            raise ValidationError(
                f"{parameter.name} is too long: {len(text)} of at most {longest} characters"
            )
        return text

    def _choice(self, parameter: Parameter, value: Any) -> str:
        word = self._text(parameter, value).strip().lower()
        if parameter.name == "audio_format":
            word = word.removeprefix(".")
        if not word:
            return str(parameter.default)
        if word not in parameter.choices:
            raise ValidationError(f"{parameter.name} must be one of: {', '.join(parameter.choices)}")
        return word

    def _codes(self, parameter: Parameter, value: Any) -> str | list[str]:
        if not isinstance(value, list | tuple):
            return self._text(parameter, value)
        if len(value) > MAX_BATCH:
            raise ValidationError(f"{parameter.name} has {len(value)} texts; at most {MAX_BATCH} are allowed")
        return [self._text(parameter, "" if item is None else item) for item in value]

    def _names(self, parameter: Parameter, value: Any) -> list[str] | None:
        items = value if isinstance(value, list | tuple) else coerce.to_text(value, parameter.name).split(",")
        text = self._text(parameter, ",".join(coerce.to_text(item, parameter.name) for item in items))
        return [name.strip() for name in text.split(",") if name.strip()] or None
