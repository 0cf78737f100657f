"""The stochastic scheduler whose noise belongs to the items."""

from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler


class ItemNoiseScheduler(FlowMatchEulerDiscreteScheduler):  # type: ignore[misc]  # no type information
    """Flow-matching steps with new noise in each, drawn from one generator per item.

    The pipeline passes no generator to the scheduler; a global one would mix the items' streams.
    """

    generators: list[torch.Generator]

    def step(self, *args: Any, **options: Any) -> Any:
        """Step as the library does, with noise that continues the streams of the start noise.

        Source: x0 = x - sigma * v; x' = (1 - sigma') * x0 + sigma' * noise, diffusers 0.42.1
        FlowMatchEulerDiscreteScheduler with stochastic_sampling.
        """
        return super().step(*args, generator=self.generators, **options)
