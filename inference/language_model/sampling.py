"""From logits to a token: guidance, masks, and a draw of which every row has its own randomness."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers.generation.logits_process import (
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from inference.language_model.backend import Sampling

_SMALLEST = torch.finfo(torch.float32).tiny


def combine(cond: Tensor, uncond: Tensor, scale: float) -> Tensor:
    """Mix guided and unguided logits.

    Args:
        cond: (rows, vocabulary) float32, raw logits.
        uncond: same shape; the rows of the negative prompts, in the same order.
        scale: 1.0 switches guidance off.

    Returns:
        (rows, vocabulary) float32; -inf of `cond` stays -inf, never NaN.

    Source: uncond + scale * (cond - uncond), ACE-Step 1.5 acestep/llm_inference.py (f30aee4).
    """
    return torch.where(torch.isneginf(cond), cond, uncond + scale * (cond - uncond))


class Draw:
    """Draws one token for each row, again and again; a row's draws depend on its seed alone."""

    def __init__(self, sampling: Sampling, seeds: Sequence[int]) -> None:
        penalty = sampling.repetition_penalty
        self._penalty = None if penalty == 1.0 else RepetitionPenaltyLogitsProcessor(penalty)
        self._warpers = _warpers(sampling)
        self._generators = None
        if sampling.temperature > 0.0:
            self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, scores: Tensor, history: Tensor) -> Tensor:
        """Draw.

        Args:
            scores: (rows, columns) float32, masked with -inf.
            history: (rows, steps) int64, columns drawn so far.

        Returns:
            (rows,) int64 columns.
        """
        if self._penalty is not None:
            scores = self._penalty(history, scores)
        if self._generators is None:
            return scores.argmax(dim=-1)
        for warper in self._warpers:
            scores = warper(history, scores)
        uniform = torch.stack([torch.rand(scores.shape[1], generator=g) for g in self._generators])
        # Gumbel noise makes the argmax a draw; a zero would turn a row's only allowed token into -inf.
        noise = -torch.log(-torch.log(uniform.clamp_min(_SMALLEST)))
        return (scores + noise.to(scores.device)).argmax(dim=-1)


def _warpers(
    sampling: Sampling,
) -> list[TemperatureLogitsWarper | TopKLogitsWarper | TopPLogitsWarper]:
    """Temperature comes first: top-p is a share of the distribution that is drawn from."""
    warpers: list[TemperatureLogitsWarper | TopKLogitsWarper | TopPLogitsWarper] = []
    if sampling.temperature > 0.0 and sampling.temperature != 1.0:
        warpers.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k:
        warpers.append(TopKLogitsWarper(sampling.top_k))
    if 0.0 < sampling.top_p < 1.0:
        warpers.append(TopPLogitsWarper(sampling.top_p))
    return warpers
