"""What this installation offers and allows; the parser judges a request by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.domain.addresses import Network
from app.domain.parameter import TextLimit
from app.domain.params import TASK_TYPES
from app.domain.teams import TeamLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Largest sizes that a request may ask for; lengths in characters.

    `webhook_http`: webhooks may go over plain http, too. `webhook_networks`: to these private addresses.
    """

    max_duration_s: float = 600.0
    prompt_chars: int = 4096
    lyrics_chars: int = 16384
    text_chars: int = 1024
    codes_chars: int = 100_000
    webhook_http: bool = False
    webhook_networks: Sequence[Network] = ()

    def chars(self, limit: TextLimit) -> int:
        """Return the most characters that a text under this limit may have."""
        return {
            TextLimit.PROMPT: self.prompt_chars,
            TextLimit.LYRICS: self.lyrics_chars,
            TextLimit.OTHER: self.text_chars,
            TextLimit.CODES: self.codes_chars,
        }[limit]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOffer:
    """A diffusion model that can be asked for; `category` is `turbo`, `base` or `sft`."""

    name: str
    category: str
    tasks: Sequence[str] = TASK_TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """Models, language models and limits at this moment.

    Attributes:
        model_aliases: the operator's mapping of foreign model names to offered ones.
        lm_offered: whether a request that needs a language model can be served.
        max_priority: highest priority the team may use.
    """

    models: Sequence[ModelOffer]
    default_model: str | None
    model_aliases: Mapping[str, str] = field(default_factory=dict)
    lm_offered: bool = False
    lm_names: Sequence[str] = ()
    default_lm: str | None = None
    default_lm_backend: str = "vllm"
    limits: Limits = field(default_factory=Limits)
    max_priority: int = 0

    def within(self, limits: TeamLimits) -> "Offers":
        """Return what a team may use of this; its default model is the first allowed one."""
        allowed = limits.allowed_models
        models = [model for model in self.models if allowed is None or model.name in allowed]
        names = [model.name for model in models]
        default = self.default_model if self.default_model in names else next(iter(names), None)
        return replace(self, models=models, default_model=default, max_priority=limits.max_priority)
