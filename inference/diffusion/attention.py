"""Cross-attention that leaves out the padding of the conditions."""

from typing import Any

import torch
from diffusers.models.transformers.ace_step_transformer import AceStepAttnProcessor2_0
from torch import Tensor


class CrossMask:
    """Which tokens of the condition in use are real.

    The library's transformer attends to the padding of shorter items (-44 dB against the item alone).

    Attributes:
        lengths: real tokens of every item, for each condition of the call.
    """

    def __init__(self) -> None:
        self.lengths: list[list[int]] = []
        self._mask: Tensor | None = None

    def remember(self, _module: Any, _inputs: Any, output: tuple[Tensor, Tensor]) -> None:
        """Use the mask that the condition encoder returned; a forward hook."""
        self.use(output[1])

    def use(self, mask: Tensor) -> None:
        """Attend to the tokens that are true in `mask` (items, tokens), from the next step on."""
        mask = mask.to(torch.bool)
        self.lengths.append(mask.sum(dim=1).tolist())
        self._mask = None if bool(mask.all()) else mask

    def forget(self) -> None:
        """Drop what belongs to one call."""
        self.lengths = []
        self._mask = None

    def for_rows(self, rows: int) -> Tensor | None:
        """Return (rows, 1, 1, tokens) bool, or None when nothing is padded.

        With guidance the transformer sees every item twice, conditions first, then nulls.
        """
        if self._mask is None:
            return None
        return self._mask.repeat(rows // self._mask.shape[0], 1)[:, None, None, :]


class MaskedAttention(AceStepAttnProcessor2_0):  # type: ignore[misc]  # the library ships no type information
    """The library's attention with the mask of the conditions in cross-attention."""

    def __init__(self, cross_mask: CrossMask) -> None:
        super().__init__()
        self._cross_mask = cross_mask

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Attend; shapes as in the library."""
        if attn.is_cross_attention and encoder_hidden_states is not None:
            attention_mask = self._cross_mask.for_rows(hidden_states.shape[0])
        output: Tensor = super().__call__(
            attn, hidden_states, encoder_hidden_states, attention_mask, image_rotary_emb
        )
        return output
