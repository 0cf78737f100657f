"""How models are laid on the accelerator: what stays there, in which precision, by which kernels."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any, Literal, Self

import torch

from inference.device import choose_device
from inference.request import EngineOptions

log = logging.getLogger(__name__)

# Cards with less memory hold one component at a time, unless the operator says otherwise.
SMALL_CARD_BYTES = 16 * 10**9
# Cards with less memory have no room for a language model beside a diffusion model.
SMALLEST_CARD_BYTES = 12 * 10**9
# The one flash backend that takes padded batches; `flash` raises on them, `*_hub` ones download kernels.
FLASH = "flash_varlen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the choice of a placement depends on; `memory_bytes` is the accelerator's, None without one."""

    device: torch.device
    memory_bytes: int | None = None
    has_flash: bool = False

    @classmethod
    def look(cls, name: str) -> Self:
        """Look at the named device; `auto` is CUDA, else MPS, else the CPU."""
        device = choose_device(name)
        memory = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None
        return cls(device=device, memory_bytes=memory, has_flash=find_spec("flash_attn") is not None)

    @property
    def has_room_for_language(self) -> bool:
        """Whether the accelerator's memory holds a language model beside a diffusion model."""
        return self.memory_bytes is not None and self.memory_bytes >= SMALLEST_CARD_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How models lie on the device.

    Attributes:
        offload: `models` keeps every component on the CPU but the one that computes, `transformer` only the
            transformer between requests, `none` keeps all on the device.
        attention: backend of the transformer, by the library's name.
        compiled: whether the transformer's blocks are compiled, at the first request.
    """

    device: torch.device
    dtype: torch.dtype
    offload: Literal["none", "models", "transformer"] = "none"
    attention: str = "native"
    compiled: bool = False

    def apply(self, pipeline: Any) -> Self:
        """Bring a pipeline, which is on the CPU, to its places; returns what really came about."""
        attention = self._set_attention(pipeline.transformer)
        if self.compiled:
            # The library names no block to compile. Lengths differ from request to request: dynamic shapes.
            pipeline.transformer._repeated_blocks = ["AceStepTransformerBlock"]
            pipeline.transformer.compile_repeated_blocks(dynamic=True)
        if self.offload == "models":
            pipeline.enable_model_cpu_offload(device=self.device)
        else:
            pipeline.to(self.device)
        if self.offload == "transformer":
            pipeline.transformer.to("cpu")
        return replace(self, attention=attention)

    @contextmanager
    def computing(self, pipeline: Any) -> Iterator[None]:
        """Have the transformer on the device for a while, where it does not stay there anyway."""
        if self.offload != "transformer":
            yield
            return
        pipeline.transformer.to(self.device)
        try:
            yield
        finally:
            pipeline.transformer.to("cpu")

    def _set_attention(self, transformer: Any) -> str:
        if self.attention != "native":
            try:
                transformer.set_attention_backend(self.attention)
            except (ImportError, RuntimeError, ValueError) as error:
                log.warning("flash attention cannot be used, going on without: %s", error)
                return "native"
        return self.attention


def choose_placement(options: EngineOptions, machine: Machine) -> Placement:
    """Decide from what the operator wants and what the machine has."""
    on_cuda = machine.device.type == "cuda"
    if on_cuda and options.flash_attention and not machine.has_flash:
        log.warning("the package flash_attn is not installed: attention runs on torch's own kernels")
    return Placement(
        device=machine.device,
        dtype=torch.bfloat16 if on_cuda else torch.float32,
        offload=_choose_offload(options, machine),
        attention=FLASH if on_cuda and options.flash_attention and machine.has_flash else "native",
        compiled=options.compile_model,
    )


def _choose_offload(options: EngineOptions, machine: Machine) -> Literal["none", "models", "transformer"]:
    if machine.device.type == "cpu":
        return "none"
    is_small = machine.memory_bytes is not None and machine.memory_bytes < SMALL_CARD_BYTES
    if options.offload if options.offload is not None else is_small:
        return "models"
    return "transformer" if options.offload_transformer else "none"
