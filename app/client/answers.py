"""What the service answers, as Python values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

PENDING, SUCCEEDED = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """One reading of a task.

    Attributes:
        status: 0 waiting or running, 1 succeeded, 2 failed, cancelled or unknown.
        state: queued, running, succeeded, failed, cancelled or not_found.
        items: the decoded `result`, one mapping per clip.
        raw: `result` as the server sent it.
    """

    task_id: str
    status: int
    state: str
    progress_text: str
    error: str | None
    error_code: str | None
    items: list[dict[str, Any]]
    raw: str

    @property
    def is_done(self) -> bool:
        """Whether the task has ended, one way or the other."""
        return self.status != PENDING

    @property
    def has_succeeded(self) -> bool:
        """Whether there are clips."""
        return self.status == SUCCEEDED

    @property
    def progress(self) -> float:
        """Share done, 0 to 1."""
        return float(self.items[0].get("progress") or 0.0) if self.items else 0.0

    @property
    def files(self) -> list[str]:
        """The `file` of every clip, to be downloaded."""
        return [item["file"] for item in self.items if item.get("file")]


class ListedOutput(TypedDict):
    """A clip in a list; `available` is false once its audio has been removed."""

    index: int
    file: str
    available: bool


class ListedTask(TypedDict):
    """A task in a list; the server may send more."""

    id: str
    state: str
    status: int
    created_at: str
    started_at: str | None
    finished_at: str | None
    task_type: str | None
    dit_model: str
    prompt: str
    duration: float | None
    batch_size: int | None
    seeds: list[int]
    key_prefix: str | None
    team_id: str
    priority: int
    labels: dict[str, str]
    error_code: str | None
    outputs: list[ListedOutput]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list; None after the last one."""

    items: list[ListedTask]
    next_cursor: str | None


def task_result(entry: Mapping[str, Any]) -> TaskResult:
    """Read an entry of `/query_result`; servers of the original API send fewer keys."""
    return TaskResult(
        task_id=entry["task_id"],
        status=entry["status"],
        state=entry.get("state", ""),
        progress_text=entry["progress_text"],
        error=entry.get("error"),
        error_code=entry.get("error_code"),
        items=json.loads(entry["result"]),
        raw=entry["result"],
    )
