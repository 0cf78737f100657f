"""Has the language model answer: the backend that can, a second try for text, and a record of each phase."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from inference.errors import LMOutputInvalid
from inference.language import Phase
from inference.language_model.backend import LMBackend, LMOutput, LMRequest, OnTokens, ShouldCancel
from inference.language_model.model import LanguageModel

_SEEDS = 2**32


class Ask:
    """The questions of one job.

    Attributes:
        phases: what was done so far.
        fallback: why another backend than the one asked for was used; "" if it was not.
    """

    def __init__(
        self, model: LanguageModel, backend: str, *, on_codes: OnTokens, should_cancel: ShouldCancel
    ) -> None:
        """Keep what every question needs; `on_codes` is told (0, 0) now and then while text is written."""
        self._model = model
        self._asked = backend
        self._on_codes = on_codes
        self._should_cancel = should_cancel
        self.phases: list[Phase] = []
        self.fallback = ""

    def text(self, name: str, request: LMRequest, *, is_usable: Callable[[LMOutput], bool]) -> LMOutput:
        """Have one text written, once more with the next seed where the first one is of no use.

        Raises:
            LMOutputInvalid: nor is the second one.
        """
        begun = time.perf_counter()
        backend = self._backend(request)
        outputs: list[LMOutput] = []
        for seed in (request.seed, (request.seed + 1) % _SEEDS):
            row = replace(request, seed=seed)
            outputs += backend.generate([row], lambda made, wanted: self._on_codes(0, 0), self._should_cancel)
            if is_usable(outputs[-1]):
                break
        self._note(name, backend, [seed], outputs, begun)
        if not is_usable(outputs[-1]):
            raise LMOutputInvalid
        return outputs[-1]

    def codes(self, name: str, requests: Sequence[LMRequest], *, batch: bool) -> list[LMOutput]:
        """Have audio codes made for rows of one length: all at once, or one after the other."""
        begun = time.perf_counter()
        backend = self._backend(requests[0])
        outputs: list[LMOutput] = []
        wanted = sum(request.length for request in requests)
        for rows in [requests] if batch else [[request] for request in requests]:
            on_tokens = self._counting(sum(len(output.token_ids) for output in outputs), wanted)
            outputs += backend.generate(rows, on_tokens, self._should_cancel)
        self._note(name, backend, [request.seed for request in requests], outputs, begun)
        return outputs

    def _backend(self, request: LMRequest) -> LMBackend:
        backend, reason = self._model.pick(self._asked, request.needs)
        self.fallback = self.fallback or reason
        return backend

    def _counting(self, before: int, wanted: int) -> OnTokens:
        return lambda made, _: self._on_codes(before + made, wanted)

    def _note(
        self, name: str, backend: LMBackend, seeds: Sequence[int], outputs: Sequence[LMOutput], begun: float
    ) -> None:
        self.phases.append(
            Phase(
                name=name,
                backend=backend.name,
                seeds=tuple(seeds),
                tries=len(outputs) // len(seeds),
                tokens=sum(len(output.token_ids) for output in outputs),
                seconds=round(time.perf_counter() - begun, 4),
                text=outputs[-1].text,
            )
        )
