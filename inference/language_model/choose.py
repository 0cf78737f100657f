"""The one logits processor: it does everything between logits and the next token of every row."""

from collections.abc import Sequence

import torch
from llguidance import LLTokenizer
from torch import Tensor

from inference.errors import Cancelled
from inference.language_model.backend import LMRequest, OnTokens, ShouldCancel
from inference.language_model.constraint import Grammars
from inference.language_model.sampling import Draw, combine
from inference.language_model.vocabulary import Vocabulary

# Audio codes in a second of music: a fine grain for progress, and a small part of the work.
_REPORT_EVERY = 5


class ChooseTokens:
    """Chooses the next token of rows that were asked alike, and leaves nothing else to choose.

    With guidance the model's batch is twice as long: the rows, then their negative prompts in the same order;
    both halves get the same token. A row that has ended gets its end again until all have.
    """

    def __init__(
        self,
        requests: Sequence[LMRequest],
        vocabulary: Vocabulary,
        table: LLTokenizer,
        *,
        on_tokens: OnTokens,
        should_cancel: ShouldCancel,
    ) -> None:
        first = requests[0]
        self._rows = len(requests)
        self._scale = first.sampling.cfg_scale if first.is_guided else None
        self._length = first.length
        self._stops = frozenset(first.stop_token_ids)
        self._vocabulary = vocabulary
        self._is_audio = first.n_codes is not None
        grammars = [request.grammar for request in requests if request.grammar is not None]
        self._grammars = Grammars(table, grammars) if grammars else None
        self._draw = Draw(first.sampling, [request.seed for request in requests])
        self._on_tokens = on_tokens
        self._should_cancel = should_cancel
        self._ended = [False] * self._rows
        self._drawn: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return (rows or 2 · rows, vocabulary) scores with one token left in each row.

        Raises:
            Cancelled: asked to stop.
            LMOutputInvalid: a grammar allows nothing.
        """
        if self._should_cancel():
            raise Cancelled("cancelled")
        mixed = scores
        if self._scale is not None:
            mixed = combine(scores[: self._rows], scores[self._rows :], self._scale)
        columns = self._mask(mixed)
        history = torch.stack(self._drawn, dim=1) if self._drawn else input_ids[: self._rows, :0]
        drawn = self._draw(columns, history)
        self._drawn.append(drawn)
        tokens = drawn + self._vocabulary.first_code if self._is_audio else self._settle(drawn)
        self._report()
        scores.fill_(-torch.inf)
        return scores.scatter_(1, tokens.repeat(scores.shape[0] // self._rows).unsqueeze(1), 0.0)

    def _mask(self, scores: Tensor) -> Tensor:
        """Return the columns that may be drawn; of audio codes only their own columns, to draw fast."""
        codes = self._vocabulary.first_code
        if self._is_audio:
            return scores[:, codes : codes + self._vocabulary.codes]
        if self._grammars is None:
            scores[:, codes : codes + self._vocabulary.audio_tokens] = -torch.inf
            scores[:, self._vocabulary.known :] = -torch.inf
            return scores
        for row, ended in enumerate(self._ended):
            if not ended:
                allowed = torch.from_numpy(self._grammars.allowed(row)).to(scores.device)
                scores[row].masked_fill_(~allowed, -torch.inf)
        return scores

    def _settle(self, drawn: Tensor) -> Tensor:
        """Follow each row's text; an ended row repeats its end."""
        tokens = drawn.tolist()
        for row, token in enumerate(tokens):
            if self._ended[row]:
                tokens[row] = self._vocabulary.pad
                continue
            if self._grammars is not None:
                self._grammars.take(row, token)
            self._ended[row] = token in self._stops
        return torch.tensor(tokens, device=drawn.device)

    def _report(self) -> None:
        step = len(self._drawn)
        if step % _REPORT_EVERY == 0 or step == self._length:
            self._on_tokens(step * self._rows, self._length * self._rows)
