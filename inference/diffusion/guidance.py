"""Angle-based guidance (`use_adg`), put in the place of the library's own."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

MAX_ANGLE = math.pi / 6.0
# Keeps the sine of an angle above 0.0014, so that it can be divided by.
_MARGIN = 1e-6


class AngleGuidance:
    """A forward hook of the transformer that guides the velocities before the library does.

    Both halves of the result are equal, so the library's guidance finds no difference and adds nothing.
    """

    def __init__(self, *, items: int, scale: float) -> None:
        self._items = items
        self._scale = scale

    def __call__(
        self, _transformer: Any, _inputs: Any, given: dict[str, Any], output: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...] | None:
        """Guide a pair of conditions and nulls; outside the guidance interval there is none."""
        velocity, items = output[0], self._items
        if velocity.shape[0] != 2 * items:
            return None
        guided = guide(
            velocity[:items].float(),
            velocity[items:].float(),
            latents=given["hidden_states"][:items].float(),
            time=given["timestep"][:items].float()[:, None, None],
            scale=self._scale,
        )
        return (guided.repeat(2, 1, 1).to(velocity.dtype), *output[1:])


def guide(conditioned: Tensor, null: Tensor, *, latents: Tensor, time: Tensor, scale: float) -> Tensor:
    """Turn the predicted clean latents away from the unconditioned ones, by at most 30 degrees.

    Args:
        conditioned, null: velocities (items, frames, channels) float32.
        latents: noisy latents of the same shape.
        time: (items, 1, 1), in (0, 1].
        scale: of the guidance; up to 1 leaves (almost) the conditioned velocity.

    Returns:
        The guided velocity, same shape.

    Source: adg_forward of ACE-Step 1.5 acestep/models/base/apg_guidance.py (f30aee4), which writes 3.14 / 6.
    """
    weight = max(scale - 1.0, 0.0) + 0.001
    wanted = latents - time * conditioned
    unwanted = latents - time * null
    cosine = cosine_similarity(wanted.double(), unwanted.double(), dim=-1)
    angle = torch.arccos(cosine.clamp(-1.0 + _MARGIN, 1.0 - _MARGIN)).float()[..., None]
    turned = (weight * angle).clamp(-MAX_ANGLE, MAX_ANGLE)
    difference = wanted - unwanted
    share = (difference * unwanted).sum(-1, keepdim=True) / (
        (unwanted * unwanted).sum(-1, keepdim=True) + 1e-8
    )
    across = difference - share * unwanted
    clean = torch.cos(turned) * wanted + torch.sin(turned) / torch.sin(angle) * across
    return (latents - clean) / time
