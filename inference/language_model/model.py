"""One language model, and the choice of the backend that runs it."""

from importlib.util import find_spec
from pathlib import Path

import torch

from inference.language_model import vllm
from inference.language_model.backend import Capability, LMBackend
from inference.language_model.pt import PtBackend
from inference.language_model.tokens import Tokens

USUAL_NEEDS: frozenset[Capability] = frozenset({"cfg", "grammar", "seed"})
"""What jobs with the default parameters need."""


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

    def warm_up(self, asked: str) -> None:
        """Load the weights that most jobs will use, and make the first one fast."""
        backend, _ = self.pick(asked, USUAL_NEEDS)
        backend.warmup()

    def pick(self, asked: str, needs: frozenset[Capability]) -> tuple[LMBackend, str]:
        """Return the backend asked for, or the one that can do what is needed.

        Returns:
            The backend, and why it is another one than asked for; "" if it is not.

        Raises:
            ModelLoadError, OutOfMemory, DeviceError: the weights cannot be loaded.
        """
        name, reason = choose_backend(asked, needs, self._device)
        return (self._vllm() if name == "vllm" else self._pt()), reason

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
        if "vllm" not in self._loaded:
            self._loaded["vllm"] = vllm.VllmBackend(self._folder, self.tokens)
        return self._loaded["vllm"]


def usual_backend(asked: str, device: torch.device) -> tuple[str, str]:
    """Return the name of the backend that a job with the default parameters gets, and why it is another."""
    return choose_backend(asked, USUAL_NEEDS, device)


def choose_backend(asked: str, needs: frozenset[Capability], device: torch.device) -> tuple[str, str]:
    """Return the name of a backend that does what is needed, and why it is another than asked for."""
    if asked != "vllm":
        return "pt", ""
    if reason := why_not_vllm(device):
        return "pt", reason
    if lacking := needs - vllm.CAPABILITIES:
        return "pt", f"vllm does no {', '.join(sorted(lacking))} yet"
    return "vllm", ""


def why_not_vllm(device: torch.device) -> str:
    """Return why vLLM cannot run here; "" if it can."""
    if find_spec("vllm") is None:
        return "vllm is not installed"
    return "" if device.type == "cuda" else f"vllm does not run on {device.type}"
