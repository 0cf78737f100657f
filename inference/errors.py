"""What can go wrong in the engine, each with the public code that a failed task shows."""


class EngineError(Exception):
    """Base of all engine errors; the message is public and holds no path.

    Attributes:
        code: public error code of the task.
        retryable: whether another attempt may help.
        poisons_process: whether the process must not serve another request.
        peak_memory_bytes: of the run that failed, where the engine knows it.
    """

    code = "internal"
    retryable = False
    poisons_process = False
    peak_memory_bytes: int | None = None


class InvalidRequest(EngineError):
    """A value or a combination of values that the model cannot do."""

    code = "validation"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class ModelNotAvailable(EngineError):
    """The model is not in the registry, or its files are not on this machine."""

    code = "model_unavailable"


class ModelLoadError(EngineError):
    """The files of the model are broken, incomplete or have a wrong hash."""

    code = "model_unavailable"


class LMNotAvailable(EngineError):
    """The job needs a language model, and this engine has none to use."""

    code = "model_unavailable"

    def __init__(self) -> None:
        super().__init__("language model not available")


class LMOutputInvalid(EngineError):
    """The language model gave nothing that can be used, also when asked again."""

    code = "lm_failed"

    def __init__(self) -> None:
        super().__init__("the language model gave no usable answer")


class AudioUnreadable(EngineError):
    """An input audio file is empty, too long or cannot be decoded."""

    code = "input_unavailable"


class OutOfMemory(EngineError):
    """The accelerator has not enough memory for this request; a fresh process may have."""

    code = "gpu_out_of_memory"


class DeviceError(EngineError):
    """The accelerator failed; its context cannot be used again."""

    retryable = True
    poisons_process = True


class NumericalError(EngineError):
    """The model produced values that are not finite."""


class Cancelled(EngineError):
    """The caller asked to stop."""

    code = "cancelled"
