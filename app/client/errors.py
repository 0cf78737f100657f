"""What can go wrong between a program and the service."""

from app.client.answers import TaskResult


class ApiError(Exception):
    """The server refused a request, or did not answer.

    Attributes:
        status: of HTTP; 0 if no answer came.
        code: the answer's own `code`, which is the status but where an answer of 200 tells a failure.
        retry_after_s: when to try again, where the server said it (a full queue, a limit, a restart).
        request_id: names the request in the server's log.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: int | None = None,
        retry_after_s: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = status if code is None else code
        self.retry_after_s = retry_after_s
        self.request_id = request_id

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed a little later: no answer, or the service is restarting."""
        return self.status in (0, 502, 503, 504)


class TaskFailedError(Exception):
    """The task ended without a result; the text is the server's reason.

    Attributes:
        code: such as `timeout`, `cancelled`, `input_unavailable` or `not_found`.
        result: the last reading of the task.
    """

    def __init__(self, result: TaskResult) -> None:
        super().__init__(result.error or result.progress_text)
        self.code = result.error_code
        self.result = result
