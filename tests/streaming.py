"""The application on a real port, and a reader of server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from litestar import Litestar

from tests.processes import free_port
from tests.webhooks import eventually


@dataclass(frozen=True)
class Event:
    """One block of a stream; a comment has neither kind nor data."""

    id: str | None = None
    kind: str | None = None
    data: dict[str, Any] | None = None
    comment: str | None = None

    @property
    def state(self) -> str:
        return str(self.data and self.data["state"])


@asynccontextmanager
async def served(app: Litestar) -> AsyncIterator[str]:
    """Serve an application whose lifespan runs elsewhere; yields its address."""
    port = free_port()
    config = uvicorn.Config(app, host="127.0.0.1", port=port, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext  # type: ignore[method-assign,assignment]
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def following(
    url: str, headers: Mapping[str, str]
) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[Event]]]:
    """Open a stream; yields its response and its events."""
    async with (
        httpx.AsyncClient(trust_env=False, timeout=20) as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        yield response, read_events(response)


async def read_events(response: httpx.Response) -> AsyncIterator[Event]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name or "comment"] = value
        elif fields:
            data = json.loads(fields["data"]) if "data" in fields else None
            yield Event(fields.get("id"), fields.get("event"), data, fields.get("comment"))
            fields = {}
