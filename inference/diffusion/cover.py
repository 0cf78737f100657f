"""Cover strength: the first steps follow the source, the others the texts alone."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from inference.diffusion.attention import CrossMask

# What the condition encoder calls the four results of encoding texts, in their order.
_TEXTS = ("text_hidden_states", "text_attention_mask", "lyric_hidden_states", "lyric_attention_mask")


class CoverSwitch:
    """Shows the transformer another condition and an empty context from one step on.

    The library mixes two velocities over the source's context in every step, at twice the cost.

    Source: ACE-Step 1.5 generate_audio (f30aee4): the switch is at step int(steps * strength).
    """

    def __init__(
        self, *, followed_steps: int, cross_mask: CrossMask, silence: Callable[[int], Tensor]
    ) -> None:
        """Prepare one call.

        Args:
            followed_steps: that follow the source; the transformer is called once a step.
            silence: from a number of frames to the context of text2music, (items, frames, channels).
        """
        self._followed_steps = followed_steps
        self._cross_mask = cross_mask
        self._silence = silence
        self._steps = 0
        self._texts: dict[str, Tensor] = {}
        self._states: Tensor
        self._mask: Tensor
        self._null: Tensor
        self._context: Tensor

    def take_texts(self, encoded: tuple[Tensor, ...]) -> None:
        """Keep the texts as they would be encoded for text2music, in the order of the library."""
        self._texts = dict(zip(_TEXTS, encoded, strict=True))

    def after_condition(self, encoder: Any, _inputs: Any, given: dict[str, Any], _output: Any) -> None:
        """Encode the second condition with the same sound; a forward hook of the condition encoder."""
        # Not by calling the module: its hooks would take this for another condition of the library.
        self._states, self._mask = encoder.forward(**(given | self._texts))
        self._null = encoder.null_condition_emb.to(device=self._states.device, dtype=self._states.dtype)

    def before_step(
        self, _transformer: Any, inputs: tuple[Any, ...], given: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Replace condition and context once the switch is reached; a forward pre-hook."""
        self._steps += 1
        if self._steps <= self._followed_steps:
            return None
        if self._steps == self._followed_steps + 1:
            self._cross_mask.use(self._mask)
            silence = self._silence(given["context_latents"].shape[1])
            self._context = torch.cat([silence, torch.ones_like(silence)], dim=-1)
        states, context = self._states, self._context
        if given["hidden_states"].shape[0] == 2 * states.shape[0]:  # guidance: conditions, then nulls
            states = torch.cat([states, self._null.expand_as(states)])
            context = torch.cat([context, context])
        return inputs, given | {"encoder_hidden_states": states, "context_latents": context}
