"""One language model, and the choice of the backend that runs it."""

import logging
from importlib.util import find_spec
from pathlib import Path

import torch

from inference.language_model.backend import Capability, LMBackend
from inference.language_model.pt import PtBackend
from inference.language_model.tokens import Tokens

log = logging.getLogger(__name__)


class LanguageModel:
    """A model whose backends load its weights when they are first needed.

    Attributes:
        tokens: its tokenizer.
    """

    def __init__(self, folder: Path, *, device: torch.device, offload: bool = False) -> None:
        """Read the tokenizer.

        Args:
            offload: keep the weights in main memory between jobs.

        Raises:
            ModelLoadError: the files are broken, or not those of a 5 Hz language model.
        """
        self._folder = folder
        self._device = device
        self._offload = offload
        self._loaded: dict[str, LMBackend] = {}
        self.tokens = Tokens(folder)

    def pick(self, asked: str, needs: frozenset[Capability]) -> tuple[LMBackend, str]:
        """Return the backend asked for, or the one that can do what is needed.

        Returns:
            The backend, and why it is another one than asked for; "" if it is not.

        Raises:
            ModelLoadError, OutOfMemory, DeviceError: the weights cannot be loaded.
        """
        if asked != "vllm":
            return self._pt(), ""
        if reason := why_not_vllm(self._device):
            return self._pt(), reason
        from inference.language_model.vllm import CAPABILITIES

        if lacking := needs - CAPABILITIES:
            return self._pt(), f"vllm does no {', '.join(sorted(lacking))} yet"
        return self._vllm(), ""

    def rest(self) -> None:
        """Nothing comes for a while."""
        for backend in self._loaded.values():
            backend.rest()

    def close(self) -> None:
        """Drop the weights; the model is not used again."""
        for backend in self._loaded.values():
            backend.close()
        self._loaded.clear()

    def _pt(self) -> LMBackend:
        if "pt" not in self._loaded:
            self._loaded["pt"] = PtBackend(
                self._folder, self.tokens, device=self._device, offload=self._offload
            )
        return self._loaded["pt"]

    def _vllm(self) -> LMBackend:
        from inference.language_model.vllm import VllmBackend

        if "vllm" not in self._loaded:
            self._loaded["vllm"] = VllmBackend(self._folder, self.tokens)
        return self._loaded["vllm"]


def why_not_vllm(device: torch.device) -> str:
    """Return why vLLM cannot run here; "" if it can."""
    if find_spec("vllm") is None:
        return "vllm is not installed"
    return "" if device.type == "cuda" else f"vllm does not run on {device.type}"
