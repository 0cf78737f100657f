"""A small client of the API for Python programs; it uses public routes only and imports nothing of ours."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

PENDING, SUCCEEDED = 0, 1


class ApiError(Exception):
    """The server refused a request; `status` is the HTTP status, 0 if there was no answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class TaskFailedError(Exception):
    """The task ended without a result; the text is the server's reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """One reading of a task.

    Attributes:
        status: 0 waiting or running, 1 succeeded, 2 failed, cancelled or unknown.
        items: the decoded `result`, one mapping per clip.
        raw: `result` as the server sent it.
    """

    task_id: str
    status: int
    progress_text: str
    error: str | None
    items: list[dict[str, Any]]
    raw: str

    @property
    def progress(self) -> float:
        """Share done, 0 to 1."""
        return float(self.items[0].get("progress") or 0.0) if self.items else 0.0


class Client:
    """Talks to one server, with a key where it needs one."""

    def __init__(self, base_url: str, *, api_key: str | None = None, timeout_s: float = 30.0) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        # No proxy from the environment: the server is usually on this machine.
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=timeout_s, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(self, **parameters: Any) -> str:
        """Send a task and return its id.

        Raises:
            ApiError: refused, such as 400 for a wrong parameter or 429 for a full queue.
        """
        return str(self._send("POST", "/release_task", json=parameters)["task_id"])

    def result(self, task_id: str) -> TaskResult:
        """Read the state of a task."""
        entry = self._send("POST", "/query_result", json={"task_id_list": [task_id]})[0]
        return TaskResult(
            task_id=entry["task_id"],
            status=entry["status"],
            progress_text=entry["progress_text"],
            error=entry["error"],
            items=json.loads(entry["result"]),
            raw=entry["result"],
        )

    def wait(
        self,
        task_id: str,
        *,
        timeout_s: float = 600.0,
        poll_s: float = 0.2,
        on_progress: Callable[[TaskResult], None] = lambda result: None,
    ) -> TaskResult:
        """Poll until the task has succeeded.

        Raises:
            TaskFailedError: it failed, was cancelled or is unknown.
            TimeoutError: it is still not done; it goes on without us.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            result = self.result(task_id)
            on_progress(result)
            if result.status == SUCCEEDED:
                return result
            if result.status != PENDING:
                raise TaskFailedError(result.error or result.progress_text)
            if time.monotonic() > deadline:
                raise TimeoutError(f"task {task_id} is not done after {timeout_s:g} seconds")
            time.sleep(poll_s)

    def stream(self, file: str) -> Iterator[bytes]:
        """Yield the bytes behind a `file` value of a result."""
        with self._http.stream("GET", file) as response:
            if response.status_code != 200:
                response.read()
                self._data(response)
            yield from response.iter_bytes()

    def download(self, file: str, target: Path) -> Path:
        """Save the audio behind a `file` value of a result."""
        with target.open("wb") as out:
            for chunk in self.stream(file):
                out.write(chunk)
        return target

    def stats(self) -> dict[str, Any]:
        """Read the statistics."""
        return dict(self._send("GET", "/v1/stats"))

    def health(self) -> dict[str, Any]:
        """Read the health of the server."""
        return dict(self._send("GET", "/health"))

    def _send(self, method: str, path: str, **options: Any) -> Any:
        try:
            return self._data(self._http.request(method, path, **options))
        except httpx.TransportError as error:
            raise ApiError(0, f"the server does not answer: {error}") from None

    def _data(self, response: httpx.Response) -> Any:
        try:
            body = response.json()
        except ValueError:
            raise ApiError(response.status_code, "the answer is no JSON") from None
        if response.status_code != 200 or body.get("code") != 200:
            raise ApiError(response.status_code, str(body.get("error") or body.get("detail")))
        return body["data"]
