"""The accelerator: which one, and what its errors mean."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from inference.errors import DeviceError, OutOfMemory

# Texts of plain RuntimeErrors, where torch has no class of its own.
_OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory")
_DEVICE_WORDS = ("CUDA error", "CUDNN", "cuDNN", "CUBLAS", "MPS backend")


def choose_device(name: str) -> torch.device:
    """Return the named device; `auto` is CUDA, else MPS, else the CPU."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@contextmanager
def device_errors() -> Iterator[None]:
    """Translate what torch raises for memory and device failures.

    Raises:
        OutOfMemory: no memory left; the process can go on.
        DeviceError: the device's context is lost; the process cannot go on.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemory("not enough memory on the device for this request") from error
    except torch.AcceleratorError as error:
        raise DeviceError("the accelerator failed") from error
    except RuntimeError as error:
        text = str(error)
        if any(word in text for word in _OUT_OF_MEMORY_WORDS):
            raise OutOfMemory("not enough memory on the device for this request") from error
        if any(word in text for word in _DEVICE_WORDS):
            raise DeviceError("the accelerator failed") from error
        raise
