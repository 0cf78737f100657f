"""The client for asyncio programs; the same methods as `Client`."""

import asyncio
from collections.abc import AsyncIterator, Callable
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


class AsyncClient:
    """Talks to one server, with a key where it needs one. Every method raises ApiError."""

    def __init__(self, base_url: str, *, api_key: str | None = None, timeout_s: float = 30.0) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.AsyncClient(base_url=base_url, headers=headers, timeout=timeout_s, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def submit(
        self,
        *,
        source: Path | None = None,
        reference: Path | None = None,
        idempotency_key: str | None = None,
        **parameters: Any,
    ) -> str:
        """Send a task and return its id; a lost answer never makes two tasks. See `Client.submit`."""
        return await self._send(
            calls.submit(parameters, source=source, reference=reference, idempotency_key=idempotency_key)
        )

    async def result(self, task_id: str) -> TaskResult:
        """Read the state of a task; an unknown one has the status 2."""
        return await self._send(calls.result(task_id))

    async def wait(
        self,
        task_id: str,
        *,
        timeout_s: float = 600.0,
        poll_s: float = 0.5,
        on_progress: Callable[[TaskResult], None] = lambda result: None,
    ) -> TaskResult:
        """Wait until the task has succeeded. See `Client.wait`.

        Raises:
            TaskFailedError: it failed, was cancelled or is unknown.
            TimeoutError: it is still not done; it goes on without us.
        """
        patience = Patience(task_id, timeout_s=timeout_s)
        while True:
            try:
                result = await self.result(task_id)
            except ApiError as error:
                patience.bear(error)
            else:
                on_progress(result)
                if patience.is_over(result):
                    return result
            await asyncio.sleep(poll_s)

    async def cancel(self, task_id: str) -> str:
        """Ask to stop a task; returns its state, for a running one stops a little later."""
        return await self._send(calls.cancel(task_id))

    async def record(self, task_id: str) -> dict[str, Any]:
        """Read everything that is known of a task."""
        return await self._send(calls.record(task_id))

    async def history(self, **filters: Any) -> AsyncIterator[ListedTask]:
        """Walk through the tasks of the team, newest first. See `Client.history`."""
        cursor = None
        while True:
            page = await self._send(calls.page(filters, cursor=cursor))
            for task in page.items:
                yield task
            cursor = page.next_cursor
            if cursor is None:
                return

    async def stream(self, file: str) -> AsyncIterator[bytes]:
        """Yield the bytes behind a `file` of a result."""
        try:
            async with self._http.stream("GET", file) as response:
                if response.status_code != 200:
                    await response.aread()
                    calls.data_of(response)
                async for chunk in response.aiter_bytes():
                    yield chunk
        except httpx.TransportError as error:
            raise calls.unreachable(error) from None

    async def download(self, file: str, target: Path) -> Path:
        """Save the audio behind a `file` of a result; the target appears when it is complete."""
        with complete(target) as out:
            async for chunk in self.stream(file):
                await asyncio.to_thread(out.write, chunk)
        return target

    async def stats(self) -> dict[str, Any]:
        """Read the statistics."""
        return await self._send(calls.stats())

    async def health(self) -> dict[str, Any]:
        """Read the health of the server."""
        return await self._send(calls.health())

    async def _send(self, call: Call[T]) -> T:
        for left in reversed(range(call.tries)):
            try:
                with call.options() as options:
                    response = await self._http.request(call.method, call.path, **options)
                return call.read(calls.data_of(response))
            except httpx.TransportError as error:
                if not left:
                    raise calls.unreachable(error) from None
                await asyncio.sleep(_REPEAT_AFTER_S)
        raise AssertionError("a call is tried at least once")
