"""When to ask again, while a task is waited for."""

import time

from app.client.answers import TaskResult
from app.client.errors import ApiError, TaskFailedError

# A service that restarts is waited for; a task goes on without the one who asks.
PATIENCE_S = 60.0


class Patience:
    """Judges every reading, and every failure to read, of one task that is waited for."""

    def __init__(self, task_id: str, *, timeout_s: float) -> None:
        self._task_id = task_id
        self._timeout_s = timeout_s
        self._give_up_at = time.monotonic() + timeout_s
        self._silent_since: float | None = None

    def is_over(self, result: TaskResult) -> bool:
        """Whether the task has succeeded.

        Raises:
            TaskFailedError: it failed, was cancelled or is unknown.
            TimeoutError: it is still not done.
        """
        self._silent_since = None
        if result.has_succeeded:
            return True
        if result.is_done:
            raise TaskFailedError(result)
        if time.monotonic() > self._give_up_at:
            raise TimeoutError(f"task {self._task_id} is not done after {self._timeout_s:g} seconds")
        return False

    def bear(self, error: ApiError) -> None:
        """Return if it is worth asking again.

        Raises:
            ApiError: the same, if the server refused, or was silent for too long.
        """
        now = time.monotonic()
        self._silent_since = self._silent_since or now
        if not error.may_pass or now - self._silent_since > PATIENCE_S or now > self._give_up_at:
            raise error
