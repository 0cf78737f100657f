"""The client for ordinary programs."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from app.client import calls
from app.client.answers import ListedTask, TaskResult
from app.client.calls import Call, complete
from app.client.errors import ApiError
from app.client.patience import Patience

T = TypeVar("T")

_REPEAT_AFTER_S = 0.5


class Client:
    """Talks to one server, with a key where it needs one. Every method raises ApiError."""

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

    def submit(
        self,
        *,
        source: Path | None = None,
        reference: Path | None = None,
        idempotency_key: str | None = None,
        **parameters: Any,
    ) -> str:
        """Send a task and return its id; a lost answer is asked for again and never makes two tasks.

        Args:
            source: audio to work on (cover, repaint, …), uploaded.
            reference: audio whose sound to take, uploaded.
            idempotency_key: yours, to be able to repeat the request later; default a new one.
            parameters: as `docs/parameters.md` lists them; None = not sent.
        """
        return self._send(
            calls.submit(parameters, source=source, reference=reference, idempotency_key=idempotency_key)
        )

    def result(self, task_id: str) -> TaskResult:
        """Read the state of a task; an unknown one has the status 2."""
        return self._send(calls.result(task_id))

    def wait(
        self,
        task_id: str,
        *,
        timeout_s: float = 600.0,
        poll_s: float = 0.5,
        on_progress: Callable[[TaskResult], None] = lambda result: None,
    ) -> TaskResult:
        """Wait until the task has succeeded; a restart of the service is waited for too.

        Args:
            on_progress: called with every reading.

        Raises:
            TaskFailedError: it failed, was cancelled or is unknown.
            TimeoutError: it is still not done; it goes on without us.
        """
        patience = Patience(task_id, timeout_s=timeout_s)
        while True:
            try:
                result = self.result(task_id)
            except ApiError as error:
                patience.bear(error)
            else:
                on_progress(result)
                if patience.is_over(result):
                    return result
            time.sleep(poll_s)

    def cancel(self, task_id: str) -> str:
        """Ask to stop a task; returns its state, for a running one stops a little later."""
        return self._send(calls.cancel(task_id))

    def record(self, task_id: str) -> dict[str, Any]:
        """Read everything that is known of a task."""
        return self._send(calls.record(task_id))

    def history(self, **filters: Any) -> Iterator[ListedTask]:
        """Walk through the tasks of the team, newest first, reading pages as they are needed.

        Args:
            filters: as `/v1/tasks` takes them, such as `state="failed"`, `q="piano"`, `order="asc"`,
                `label_project="x"` for the label `project`, and `limit` for the size of a page.
        """
        cursor = None
        while True:
            page = self._send(calls.page(filters, cursor=cursor))
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

    def stream(self, file: str) -> Iterator[bytes]:
        """Yield the bytes behind a `file` of a result."""
        try:
            with self._http.stream("GET", file) as response:
                if response.status_code != 200:
                    response.read()
                    calls.data_of(response)
                yield from response.iter_bytes()
        except httpx.TransportError as error:
            raise calls.unreachable(error) from None

    def download(self, file: str, target: Path) -> Path:
        """Save the audio behind a `file` of a result; the target appears when it is complete."""
        with complete(target) as out:
            for chunk in self.stream(file):
                out.write(chunk)
        return target

    def stats(self) -> dict[str, Any]:
        """Read the statistics."""
        return self._send(calls.stats())

    def health(self) -> dict[str, Any]:
        """Read the health of the server."""
        return self._send(calls.health())

    def _send(self, call: Call[T]) -> T:
        for left in reversed(range(call.tries)):
            try:
                with call.options() as options:
                    response = self._http.request(call.method, call.path, **options)
                return call.read(calls.data_of(response))
            except httpx.TransportError as error:
                if not left:
                    raise calls.unreachable(error) from None
                time.sleep(_REPEAT_AFTER_S)
        raise AssertionError("a call is tried at least once")
