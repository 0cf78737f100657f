"""What a backend does: requests to tokens. Everything else about the language model is the same for all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Capability = Literal["cfg", "seed", "grammar", "penalty"]

OnTokens = Callable[[int, int], None]
"""Called with (tokens made, tokens wanted), both over all rows of the call; not for every token."""

ShouldCancel = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are drawn, in the order of the fields behind guidance.

    Attributes:
        cfg_scale: guidance away from the negative prompt; 1 and below switch it off.
        repetition_penalty: over generated tokens only; 1 is off.
        temperature: 0 and below take the likeliest token.
        top_k: None is off.
        top_p: 1 is off.
    """

    cfg_scale: float = 1.0
    repetition_penalty: float = 1.0
    temperature: float = 0.85
    top_k: int | None = None
    top_p: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LMRequest:
    """One row.

    Attributes:
        prompt, negative: rendered texts; no negative = no guidance.
        seed: 0 to 2**32 - 1, for this row alone.
        grammar: Lark grammar of the whole answer.
        n_codes: exactly so many audio codes and nothing else; then without grammar.
        max_tokens: upper bound of the answer, not used with `n_codes`.
        stop_token_ids: tokens that end the answer and belong to it.
    """

    prompt: str
    negative: str | None = None
    seed: int
    grammar: str | None = None
    n_codes: int | None = None
    max_tokens: int = 0
    stop_token_ids: tuple[int, ...] = ()
    sampling: Sampling

    @property
    def is_guided(self) -> bool:
        """Whether the row needs a second one beside it, with the negative prompt."""
        return self.negative is not None and self.sampling.cfg_scale > 1.0

    @property
    def length(self) -> int:
        """Most tokens of the answer."""
        return self.max_tokens if self.n_codes is None else self.n_codes

    @property
    def needs(self) -> frozenset[Capability]:
        """What a backend must be able to do, so that nothing of the request is silently ignored."""
        wants: dict[Capability, bool] = {
            "seed": self.sampling.temperature > 0.0,
            "cfg": self.is_guided,
            "grammar": self.grammar is not None,
            "penalty": self.sampling.repetition_penalty != 1.0,
        }
        return frozenset(name for name, wanted in wants.items() if wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class LMOutput:
    """The answer to one row.

    Attributes:
        text: with all marks; "" where codes were wanted.
        codes: None where text was wanted.
        finish: `stop` = ended by itself or complete, `length` = cut at `max_tokens`.
    """

    token_ids: tuple[int, ...]
    text: str
    codes: tuple[int, ...] | None
    finish: Literal["stop", "length"]


class LMBackend(Protocol):
    """The weights of one language model, ready to run; all calls come from one thread."""

    name: str
    capabilities: frozenset[Capability]

    def generate(
        self, requests: Sequence[LMRequest], on_tokens: OnTokens, should_cancel: ShouldCancel
    ) -> list[LMOutput]:
        """Answer the rows, in their order; the answer to a row does not depend on its neighbours.

        Raises:
            Cancelled: within one step of being asked to stop; the next call is clean.
            LMOutputInvalid: a grammar cannot be followed.
            OutOfMemory, DeviceError: the run failed.
        """

    def warmup(self) -> None:
        """Do once what makes the first call slow."""

    def rest(self) -> None:
        """Nothing comes for a while: give the accelerator's memory back where that is wanted."""

    def close(self) -> None:
        """Give all memory back; the backend is not used again."""
