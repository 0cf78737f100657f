"""The requests of the API, apart from how they are sent: the two clients share them."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx

from app.client.answers import Page, TaskResult, task_result
from app.client.errors import ApiError

T = TypeVar("T")

SUBMIT_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request, and how its answer is read.

    Attributes:
        files: parts of a form by name; they make `fields` a form.
        tries: more than one only where a repeated request does nothing twice.
    """

    method: str
    path: str
    read: Callable[[Any], T]
    fields: Mapping[str, Any] | None = None
    query: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    tries: int = 1

    @contextmanager
    def options(self) -> Iterator[dict[str, Any]]:
        """Arguments for httpx; files are open within the block."""
        options: dict[str, Any] = {"params": self.query, "headers": dict(self.headers)}
        with ExitStack() as opened:
            if self.files:
                options["data"] = {name: _text(value) for name, value in (self.fields or {}).items()}
                options["files"] = {
                    name: (path.name, opened.enter_context(path.open("rb")))
                    for name, path in self.files.items()
                }
            elif self.fields is not None:
                options["json"] = self.fields
            yield options


def submit(
    parameters: Mapping[str, Any],
    *,
    source: Path | None,
    reference: Path | None,
    idempotency_key: str | None,
) -> Call[str]:
    """Send a task; with its key the request may be repeated, and one task is made."""
    given = {name: value for name, value in parameters.items() if value is not None}
    files = {"src_audio": source, "ref_audio": reference}
    return Call(
        method="POST",
        path="/release_task",
        fields=given,
        files={name: path for name, path in files.items() if path is not None},
        headers={"Idempotency-Key": idempotency_key or uuid4().hex},
        read=lambda data: str(data["task_id"]),
        tries=SUBMIT_TRIES,
    )


def result(task_id: str) -> Call[TaskResult]:
    """Read the state of a task."""
    return Call(
        method="POST",
        path="/query_result",
        fields={"task_id_list": [task_id]},
        read=lambda data: task_result(data[0]),
    )


def record(task_id: str) -> Call[dict[str, Any]]:
    """Read the audit record of a task."""
    return Call(method="GET", path=f"/v1/tasks/{quote(task_id, safe='')}", read=dict)


def cancel(task_id: str) -> Call[str]:
    """Ask to stop a task."""
    return Call(
        method="POST",
        path=f"/v1/tasks/{quote(task_id, safe='')}/cancel",
        read=lambda data: str(data["state"]),
    )


def page(filters: Mapping[str, Any], *, cursor: str | None) -> Call[Page]:
    """Read one page of the history."""
    query = {_filter(name): value for name, value in filters.items() if value is not None}
    return Call(
        method="GET",
        path="/v1/tasks",
        query=query | ({"cursor": cursor} if cursor else {}),
        read=lambda data: Page(items=data["items"], next_cursor=data["next_cursor"]),
    )


def stats() -> Call[dict[str, Any]]:
    """Read the statistics."""
    return Call(method="GET", path="/v1/stats", read=dict)


def health() -> Call[dict[str, Any]]:
    """Read the health of the server."""
    return Call(method="GET", path="/health", read=dict)


def data_of(response: httpx.Response) -> Any:
    """Take the data out of an answer.

    Raises:
        ApiError: it is an error, or nothing of this API.
    """
    seconds = response.headers.get("retry-after", "")
    details: dict[str, Any] = {
        "retry_after_s": int(seconds) if seconds.isdecimal() else None,
        "request_id": response.headers.get("x-request-id"),
    }
    try:
        body = response.json()
        if response.status_code == 200 and body["code"] == 200:
            return body["data"]
        text, code = body.get("error") or body.get("detail"), body.get("code")
    except (ValueError, TypeError, KeyError, AttributeError):
        text, code = "the answer is not one of this API", None
    raise ApiError(response.status_code, str(text), code=code, **details) from None


@contextmanager
def complete(target: Path) -> Iterator[BinaryIO]:
    """Write a file that appears under its name only when the block has ended well."""
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as out:
            yield out
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def unreachable(error: httpx.TransportError) -> ApiError:
    """The error for a server that does not answer."""
    return ApiError(0, f"the server does not answer: {error}")


def _filter(name: str) -> str:
    return f"label.{name[6:]}" if name.startswith("label_") else name


def _text(value: Any) -> str:
    """Write a value as a form carries it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)
