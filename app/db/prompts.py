"""Prompt tasks: short work of the language model that a client waits for, apart from the music queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.task import TaskId, TaskStatus

KIND = "format_input"
LANE = 0

# Transaction-scoped lock under which waiting prompt tasks are counted and one more is inserted.
PROMPT_GATE_KEY = 0x0ACE57E1

_COUNT_WAITING = text("SELECT count(*) FROM tasks WHERE status = 'queued' AND lane = 0")
_ENDED = text("""
SELECT id, status, result, error_code, error_message FROM tasks
WHERE id = ANY(CAST(:ids AS uuid[])) AND status IN ('succeeded', 'failed', 'cancelled')
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a task ended; `result` only if it succeeded, the error texts are public."""

    status: TaskStatus
    result: dict[str, Any]
    error_code: str | None
    error_message: str | None


class Prompts:
    """Statements on prompt tasks that those of other tasks do not cover."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock_gate(self) -> None:
        """Wait until no other prompt task is between counting and committing."""
        await self._connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": PROMPT_GATE_KEY})

    async def count_waiting(self) -> int:
        """Waiting prompt tasks of the whole service."""
        return int((await self._connection.execute(_COUNT_WAITING)).scalar_one())

    async def ended(self, ids: Sequence[TaskId]) -> dict[TaskId, Ended]:
        """Those of the tasks that have ended."""
        rows = await self._connection.execute(_ENDED, {"ids": list(ids)})
        return {
            TaskId(row.id): Ended(
                status=TaskStatus(row.status),
                result=row.result or {},
                error_code=row.error_code,
                error_message=row.error_message,
            )
            for row in rows
        }
