"""A task that fails outside the child."""


class TaskFailed(Exception):
    """The task failed in the supervisor; code and message are public."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.trace: str | None = None
        self.retryable = retryable
