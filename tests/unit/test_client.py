"""The client where the service misbehaves, and that both kinds of it offer the same."""

import asyncio
import inspect
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.client import ApiError, AsyncClient, Client

SOURCES = (Path(__file__).resolve().parents[2] / "app" / "client").glob("*.py")


@dataclass
class Flaky:
    """Drops the first connections after it has heard the request, then gives the prepared answers."""

    drops: int = 0
    answers: list[tuple[int, dict[str, str], object]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        if length:
            await reader.readexactly(int(length[1]))
        self.heard.append(head)
        if len(self.heard) > self.drops:
            status, headers, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def flaky(service: Flaky) -> AsyncIterator[AsyncClient]:
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with AsyncClient(f"http://127.0.0.1:{port}") as client:
        yield client
    server.close()


def fine(data: object) -> tuple[int, dict[str, str], object]:
    return 200, {}, {"data": data, "code": 200, "error": None}


def entry(status: int, state: str) -> dict[str, object]:
    return {
        "task_id": "t",
        "status": status,
        "state": state,
        "result": "[]",
        "progress_text": state,
        "error": None,
        "error_code": None,
    }


async def test_a_submission_without_an_answer_is_repeated_under_the_same_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.client.asynchronous._REPEAT_AFTER_S", 0.0)
    service = Flaky(drops=2, answers=[fine({"task_id": "t"})])
    async with flaky(service) as client:
        assert await client.submit(prompt="a") == "t"
        keys = {key for head in service.heard for key in re.findall(r"(?i)idempotency-key: (\w+)", head)}
        assert (len(service.heard), len(keys)) == (3, 1)
        service.drops = 100
        with pytest.raises(ApiError, match="does not answer"):
            await client.submit(prompt="b", idempotency_key="mine")
    assert "mine" in service.heard[-1]


async def test_waiting_goes_on_through_a_restart_but_not_through_a_refusal() -> None:
    away = (503, {"Retry-After": "2"}, {"data": None, "code": 503, "error": "away", "detail": "away"})
    service = Flaky(drops=1, answers=[away, fine([entry(0, "running")]), away, fine([entry(1, "succeeded")])])
    async with flaky(service) as client:
        assert (await client.wait("t", poll_s=0.01)).state == "succeeded"
        service.answers = [(401, {}, {"data": None, "code": 401, "error": "no", "detail": "no"})]
        with pytest.raises(ApiError, match="no"):
            await client.wait("t", poll_s=0.01)
        service.answers = [away]
        with pytest.raises(ApiError) as silent:
            await client.wait("t", poll_s=0.01, timeout_s=0.05)
    assert (silent.value.status, silent.value.retry_after_s) == (503, 2)


@pytest.mark.parametrize(
    ("answer", "text", "code"),
    [
        ((200, {}, {"data": None, "code": 500, "error": "the model failed"}), "the model failed", 500),
        ((200, {}, b"<html>"), "not one of this API", 200),
        ((200, {}, []), "not one of this API", 200),
        ((502, {}, b"bad gateway"), "not one of this API", 502),
        ((400, {}, {"detail": "old form"}), "old form", 400),
    ],
)
async def test_answers_that_are_none(
    answer: tuple[int, dict[str, str], object], text: str, code: int
) -> None:
    async with flaky(Flaky(answers=[answer])) as client:
        with pytest.raises(ApiError, match=text) as refused:
            await client.stats()
    assert (refused.value.status, refused.value.code) == (answer[0], code)


def test_both_kinds_offer_the_same() -> None:
    def public(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }

    assert public(Client) == public(AsyncClient)


def test_it_imports_nothing_of_the_service() -> None:
    imports = {
        name for path in SOURCES for name in re.findall(r"^from (app[\w.]*) import", path.read_text(), re.M)
    }
    assert imports
    assert all(name.startswith("app.client") for name in imports)
