"""Sends whole lists out of one snapshot, in portions; noted once as a whole, and with each task it took."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from app.db.engine import Database
from app.domain import sheet
from app.domain.audit import audit_record
from app.domain.errors import ExportsBusyError, ValidationError
from app.domain.filters import Filters
from app.domain.history import StoredTask
from app.domain.task import Caller, TeamId
from app.services import ExportForm
from app.services.actors import actor_of, name_of

# Each holds a connection for as long as its client reads.
MOST_AT_ONCE = 4
# A client that reads nothing for so long loses its export.
LONGEST_PAUSE_S = 60


class Export:
    """The use case behind `GET /v1/tasks/export`."""

    def __init__(self, database: Database, *, max_rows: int) -> None:
        self._database = database
        self._max_rows = max_rows
        self._running: set[TeamId | None] = set()

    async def __call__(
        self, caller: Caller, team_id: TeamId | None, filters: Filters, form: ExportForm
    ) -> AsyncIterator[bytes]:
        """Yield the list, oldest first; the first portion, perhaps empty, comes after every check.

        Raises:
            ValidationError: more tasks than an export may have; there is no word in `q`.
            ExportsBusyError: the team has an export running, or too many others run.
        """
        with self._place(team_id):
            async with self._database.snapshot(idle_s=LONGEST_PAUSE_S) as work:
                found = await work.lists.find(team_id, filters, newest_first=False)
                count = await work.lists.count(found, most=self._max_rows + 1) if found else 0
                if count > self._max_rows:
                    raise ValidationError(
                        f"more than {self._max_rows} tasks; narrow the export, by created_before for example"
                    )
                export_id = await self._note(caller, filters, form, count)
                yield sheet.header().encode() if form is ExportForm.CSV else b""
                if found is None:
                    return
                async for seqs in work.lists.all(found):
                    tasks = await work.history.tasks(team_id, seqs, with_events=form is not ExportForm.CSV)
                    # In a thread: other requests are answered meanwhile.
                    portion = await asyncio.to_thread(_write, tasks, form)
                    async with self._database.autocommit() as noting:
                        actor = actor_of(caller)
                        await noting.edits.note_exported(seqs, export_id, actor=actor, form=form.value)
                    yield portion

    async def _note(self, caller: Caller, filters: Filters, form: ExportForm, count: int) -> int:
        """Record the export in the audit log; returns the number of its entry."""
        taken = {"form": form.value, "filters": msgspec.to_builtins(filters), "tasks": count}
        async with self._database.autocommit() as work:
            return await work.audit.note(name_of(caller), "tasks.exported", "tasks", taken)

    @contextmanager
    def _place(self, team_id: TeamId | None) -> Iterator[None]:
        if team_id in self._running:
            raise ExportsBusyError("the team has an export running already; try again when it has ended")
        if len(self._running) >= MOST_AT_ONCE:
            raise ExportsBusyError(f"{MOST_AT_ONCE} exports are running; try again when one has ended")
        self._running.add(team_id)
        try:
            yield
        finally:
            self._running.discard(team_id)


def _write(tasks: Sequence[StoredTask], form: ExportForm) -> bytes:
    if form is ExportForm.CSV:
        return sheet.rows(tasks).encode()
    return b"".join(_line(task, with_events=form is ExportForm.NDJSON_WITH_EVENTS) for task in tasks)


def _line(task: StoredTask, *, with_events: bool) -> bytes:
    record = msgspec.structs.asdict(audit_record(task))
    if not with_events:
        del record["events"]
    return msgspec.json.encode(record) + b"\n"
