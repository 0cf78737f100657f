"""What the language model can be asked to do, one method each."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from inference.language import LanguageOptions, Phase
from inference.language_model import parse, prompts
from inference.language_model.ask import Ask
from inference.language_model.backend import LMOutput, LMRequest, OnTokens, Sampling, ShouldCancel
from inference.language_model.block import DURATION_RANGE_S, FIELDS, Block
from inference.language_model.grammar import FREE_MAX_TOKENS, block_grammar
from inference.language_model.model import LanguageModel

log = logging.getLogger(__name__)

Values = Mapping[str, int | str]

CODES_PER_SECOND = 5
UNDERSTANDING_TEMPERATURE = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """Most tokens of an answer's parts.

    Attributes:
        block_tokens: a think block; `free_tokens` its caption, and its genres.
        text_tokens: what follows the block.
        model_tokens: prompt and answer together.
    """

    block_tokens: int = 1200
    text_tokens: int = 3000
    free_tokens: int = FREE_MAX_TOKENS
    model_tokens: int = 5120


SHORT_BUDGETS = Budgets(block_tokens=300, text_tokens=64, free_tokens=24)
"""For random weights, which never end a text by themselves."""


class Steps:
    """The steps of one job; each raises the errors of `LMBackend.generate`, and LMOutputInvalid.

    Attributes:
        notes: what was not done as asked.
    """

    def __init__(
        self,
        model: LanguageModel,
        options: LanguageOptions,
        *,
        budgets: Budgets,
        max_duration_s: int = DURATION_RANGE_S[1],
        on_codes: OnTokens,
        should_cancel: ShouldCancel,
    ) -> None:
        """Keep what every step needs; `on_codes` is told (0, 0) now and then while text is written."""
        self._model = model
        self._options = options
        self._budgets = budgets
        self._max_duration_s = max_duration_s
        self._ask = Ask(model, options.backend, on_codes=on_codes, should_cancel=should_cancel)
        self.notes: list[str] = []

    @property
    def phases(self) -> Sequence[Phase]:
        """What was done so far."""
        return self._ask.phases

    @property
    def fallback(self) -> str:
        """Why another backend than the one asked for was used; "" if it was not."""
        return self._ask.fallback

    def metadata(self, caption: str, lyrics: str, fields: Sequence[str], forced: Values) -> Block:
        """Fill in a think block (mode A).

        Args:
            fields: names of `block.FIELDS`, in that order.
            forced: the user's own values, with which the model has to plan.
        """
        room = self._budgets.model_tokens - self._budgets.block_tokens
        lyrics = self._fit(lyrics, lambda text: prompts.for_metadata(caption, text), room)
        request = LMRequest(
            prompt=prompts.for_metadata(caption, lyrics),
            negative=prompts.for_metadata_negative(self._options.negative_prompt, lyrics),
            seed=self._options.seed,
            sampling=self._sampling(self._options.cfg_scale),
        )
        return self._block("metadata", request, fields, forced)

    def codes(
        self,
        caption: str,
        lyrics: str,
        block: Values,
        *,
        duration_s: float,
        seeds: Sequence[int],
        batch: bool,
    ) -> tuple[tuple[int, ...], ...]:
        """Plan the song as audio codes, once for each seed (mode B).

        Args:
            block: values of the finished think block.
            batch: all rows at once, else one after the other.
        """
        n_codes = int(duration_s * CODES_PER_SECOND)
        room = self._budgets.model_tokens - n_codes
        lyrics = self._fit(lyrics, lambda text: prompts.for_codes(caption, text, block), room)
        first = LMRequest(
            prompt=prompts.for_codes(caption, lyrics, block),
            negative=prompts.for_codes_negative(caption, self._options.negative_prompt, lyrics),
            seed=0,
            n_codes=n_codes,
            sampling=self._sampling(self._options.cfg_scale),
        )
        requests = [replace(first, seed=seed) for seed in seeds]
        outputs = self._ask.codes("codes", requests, batch=batch)
        return tuple(output.codes or () for output in outputs)

    def sample(self, query: str, forced: Values, *, instrumental: bool) -> tuple[Block, str]:
        """Write a song from a wish in a few words (mode D); the lyrics may come out empty."""
        return self._song("sample", prompts.for_sample(query, instrumental=instrumental), forced)

    def format(self, caption: str, lyrics: str, forced: Values) -> tuple[Block, str]:
        """Write a better caption and better lyrics (mode E); both may come out empty."""
        room = self._budgets.model_tokens - self._budgets.text_tokens
        lyrics = self._fit(lyrics, lambda text: prompts.for_format(caption, text), room)
        return self._song("format", prompts.for_format(caption, lyrics), forced)

    def understand(self, codes: Sequence[int]) -> tuple[Block, str]:
        """Describe a song that is given as audio codes (mode C), at a temperature of its own."""
        prompt = prompts.for_understanding(parse.code_text(codes))
        return self._song("understand", prompt, {}, temperature=UNDERSTANDING_TEMPERATURE)

    def _song(
        self, name: str, prompt: str, forced: Values, *, temperature: float | None = None
    ) -> tuple[Block, str]:
        """Write a block and lyrics; in two calls where the block has a grammar."""
        sampling = self._sampling(1.0)
        if temperature is not None:
            sampling = replace(sampling, temperature=temperature)
        request = LMRequest(prompt=prompt, seed=self._options.seed, sampling=sampling)
        if not self._options.constrained:
            text = self._ask.text(name, self._open(request), is_usable=_has_block).text
            return parse.block(text, max_duration_s=self._max_duration_s), parse.lyrics(text)
        block = self._block(name, request, FIELDS, forced)
        request = self._open(replace(request, prompt=prompt + self._ask.phases[-1].text))
        output = self._ask.text("lyrics", request, is_usable=lambda output: True)
        if output.finish == "length":
            self.notes.append("the lyrics of the language model were cut")
        return block, parse.lyrics(output.text)

    def _block(self, name: str, request: LMRequest, fields: Sequence[str], forced: Values) -> Block:
        """Have a think block written and read it."""
        vocabulary = self._model.tokens.vocabulary
        request = replace(
            request,
            max_tokens=self._budgets.block_tokens,
            stop_token_ids=(vocabulary.end_of_think, vocabulary.end_of_turn),
        )
        if self._options.constrained:
            grammar = block_grammar(
                fields,
                forced,
                vocabulary,
                max_duration_s=self._max_duration_s,
                free_max_tokens=self._budgets.free_tokens,
            )
            request = replace(request, grammar=grammar)
            if self._options.debug:
                log.debug("%s is constrained, forced: %s\n%s", name, dict(forced), grammar)
        output = self._ask.text(name, request, is_usable=_has_block)
        block = parse.block(output.text, max_duration_s=self._max_duration_s)
        if self._options.constrained and forced.items() - block.values().items():
            raise RuntimeError(f"values of the user are not in the block of the {name} step")
        return block

    def _open(self, request: LMRequest) -> LMRequest:
        """Let the answer go on to the end of the turn, as far as the model's length allows."""
        room = self._budgets.model_tokens - len(self._model.tokens.encode(request.prompt))
        return replace(
            request,
            max_tokens=max(1, min(self._budgets.text_tokens, room)),
            stop_token_ids=(self._model.tokens.vocabulary.end_of_turn,),
        )

    def _sampling(self, cfg_scale: float) -> Sampling:
        options = self._options
        return Sampling(
            cfg_scale=cfg_scale,
            repetition_penalty=options.repetition_penalty,
            temperature=options.temperature,
            top_k=options.top_k if options.top_k and options.top_k > 0 else None,
            top_p=options.top_p if 0.0 < options.top_p < 1.0 else 1.0,
        )

    def _fit(self, lyrics: str, render: Callable[[str], str], room: int) -> str:
        """Return as much of the lyrics as the model's length allows beside the rest of the prompt."""
        if len(self._model.tokens.encode(render(lyrics))) <= room:
            return lyrics
        fits, too_long = 0, len(lyrics)
        while too_long - fits > 1:
            middle = (fits + too_long) // 2
            if len(self._model.tokens.encode(render(lyrics[:middle]))) <= room:
                fits = middle
            else:
                too_long = middle
        self.notes.append(f"the language model read the first {fits} characters of the lyrics only")
        return lyrics[:fits]


def _has_block(output: LMOutput) -> bool:
    return parse.is_complete(output.text)
