"""The services behind the HTTP edge, in memory, for its unit tests."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias, cast
from uuid import UUID, uuid4

from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.db.engine import Database
from app.domain.changes import Changes
from app.domain.errors import LanguageModelUnavailableError, NotFoundError
from app.domain.filters import Filters
from app.domain.format_input import FormattedInput, FormatWish, join
from app.domain.idempotency import Idempotency
from app.domain.inputs import ReceivedFile, Role
from app.domain.keys import key_digest
from app.domain.listed import TaskPage
from app.domain.numbers import Numbers, TeamNumbers, WorkerNumbers
from app.domain.offers import ModelOffer, Offers
from app.domain.record import Record
from app.domain.rerun import Wish
from app.domain.task import Accepted, Caller, Submission, TaskId, TaskStatus, TaskView, TeamId
from app.domain.usage import UsageQuery, UsageRow
from app.services import (
    CancelView,
    ErasedView,
    ExportForm,
    HealthView,
    OfferedLanguageModel,
    OfferedModel,
    Relation,
    Services,
    StatsView,
    StoredAudio,
    Streams,
    Webhooks,
)
from app.services.keys import Keys
from app.services.operations import Operations
from app.services.teams import Teams

PEPPER = b"pepper"
TEAM = TeamId(7)
NOWHERE = Database("postgresql://127.0.0.1:1/none")
AUDIO_KEY = f"audio/{'0c5e' * 8}.mp3"
AUDIO_BYTES = bytes(range(200))


@dataclass
class FakeServices:
    """What the edge calls, in memory; `failure` is raised by every call that reaches the database."""

    tasks: dict[TeamId, dict[TaskId, TaskView]] = field(default_factory=dict)
    keys: dict[bytes, Caller] = field(default_factory=dict)
    submitted: list[tuple[Caller, Submission, str, Mapping[str, str] | None]] = field(default_factory=list)
    received: list[dict[Role, bytes]] = field(default_factory=list)
    received_files: list[ReceivedFile] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    stats_of: list[TeamId | None] = field(default_factory=list)
    audio_team: TeamId = TEAM
    audio_teams_asked: list[TeamId | None] = field(default_factory=list)
    teams_asked: list[TeamId | None] = field(default_factory=list)
    lists_asked: list[tuple[Filters, bool, int, str | None]] = field(default_factory=list)
    changes_made: list[Changes] = field(default_factory=list)
    repeated: list[tuple[Relation, Wish, Mapping[str, Any]]] = field(default_factory=list)
    exports_asked: list[tuple[Filters, ExportForm]] = field(default_factory=list)
    is_object_lost: bool = False
    queue_maxsize: int | None = 200
    written: Mapping[str, Any] | None = None
    models_offered: Sequence[OfferedModel] = ()
    streams: object = None
    key_failures: list[Exception] = field(default_factory=list)

    def add_key(self, key: str, *, team: TeamId = TEAM, scopes: frozenset[str]) -> None:
        self.keys[key_digest(key.encode(), PEPPER)] = Caller(team_id=team, key_id=1, scopes=scopes)

    def revoke(self, key: str) -> None:
        self.keys.pop(key_digest(key.encode(), PEPPER), None)

    def add_task(self, team: TeamId = TEAM, status: TaskStatus = TaskStatus.QUEUED) -> UUID:
        task_id = TaskId(uuid4())
        self.tasks.setdefault(team, {})[task_id] = TaskView(
            id=task_id,
            status=status,
            attempt=0,
            created_at=datetime.now(UTC),
            progress=0.0,
            stage=None,
            progress_text=None,
            queue_position=1,
            params={},
            adjustments=[],
            model="acestep-v15-turbo",
            result=None,
            error_code=None,
            error_message=None,
            clips=[],
        )
        return task_id

    def services(self) -> Services:
        return Services(
            submit=self.submit,
            earlier=self.earlier,
            format_input=self.format_input,
            query=self.query,
            record=self.record,
            cancel=self.cancel,
            edit=self.edit,
            erase=self.erase,
            repeat=self.repeat,
            list_tasks=self.list_tasks,
            export=self.export,
            audio=self,
            stats=self.stats,
            offers=self.offers,
            models=self.models,
            language_models=self.language_models,
            health=self.health,
            caller_by_key=self.caller_by_key,
            has_keys=self.has_keys,
            usage=self.usage,
            # Their routes are tested on a real database; this one is never reached.
            teams=Teams(NOWHERE),
            keys=Keys(NOWHERE, pepper=PEPPER),
            operations=Operations(NOWHERE, self, self, ping_redis=self.health, queue_limit=None, lease_s=30),
            metrics=self.metrics,
            streams=cast(Streams, self.streams),
            webhooks=cast(Webhooks, None),
        )

    def _reach_database(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    async def submit(
        self,
        caller: Caller,
        submission: Submission,
        *,
        request_id: str,
        client: Mapping[str, str] | None,
        files: Mapping[Role, ReceivedFile],
        idempotency: Idempotency | None = None,
    ) -> Accepted:
        self._reach_database()
        self.received.append({role: file.path.read_bytes() for role, file in files.items()})
        self.received_files += files.values()
        self.submitted.append((caller, submission, request_id, client))
        return Accepted(task_id=TaskId(uuid4()), queue_position=len(self.submitted))

    async def earlier(self, idempotency: Idempotency) -> Accepted | None:
        return None

    async def format_input(
        self,
        caller: Caller,
        wish: FormatWish,
        *,
        request: Mapping[str, Any],
        content_type: str,
        request_id: str,
    ) -> FormattedInput:
        self._reach_database()
        if self.written is None:
            raise LanguageModelUnavailableError
        return join(wish, self.written)

    async def query(self, team_id: TeamId, ids: Sequence[TaskId]) -> Mapping[TaskId, TaskView]:
        self._reach_database()
        mine = self.tasks.get(team_id, {})
        return {task_id: mine[task_id] for task_id in ids if task_id in mine}

    async def record(self, team_id: TeamId | None, task_id: TaskId) -> Record:
        self.teams_asked.append(team_id)
        raise NotFoundError("task not found")

    async def cancel(self, caller: Caller, team_id: TeamId | None, task_id: TaskId) -> CancelView:
        self.teams_asked.append(team_id)
        return CancelView(id=str(task_id), state="running", cancel_requested=True)

    async def edit(self, caller: Caller, team_id: TeamId | None, task_id: TaskId, changes: Changes) -> None:
        self.teams_asked.append(team_id)
        self.changes_made.append(changes)

    async def erase(self, caller: Caller, team_id: TeamId | None, task_id: TaskId) -> ErasedView:
        self.teams_asked.append(team_id)
        return ErasedView(id=str(task_id), state="succeeded")

    async def repeat(
        self,
        caller: Caller,
        team_id: TeamId | None,
        task_id: TaskId,
        relation: Relation,
        wish: Wish,
        *,
        request: Mapping[str, Any],
        request_id: str,
        client: Mapping[str, str] | None,
        idempotency: Idempotency | None = None,
    ) -> Accepted:
        self.teams_asked.append(team_id)
        self.repeated.append((relation, wish, request))
        return Accepted(task_id=TaskId(uuid4()), queue_position=1)

    async def list_tasks(
        self, team_id: TeamId | None, filters: Filters, *, newest_first: bool, limit: int, cursor: str | None
    ) -> TaskPage:
        self.teams_asked.append(team_id)
        self.lists_asked.append((filters, newest_first, limit, cursor))
        return TaskPage(items=[], next_cursor=None, has_more=False)

    async def export(
        self, caller: Caller, team_id: TeamId | None, filters: Filters, form: ExportForm
    ) -> AsyncIterator[bytes]:
        self.teams_asked.append(team_id)
        self.exports_asked.append((filters, form))
        for failure in self.failures:
            raise failure
        yield b""
        yield b"line\n"

    async def find(self, team_id: TeamId | None, public_key: str) -> StoredAudio:
        self.audio_teams_asked.append(team_id)
        if public_key != AUDIO_KEY or team_id not in (None, self.audio_team):
            raise NotFoundError("audio file not found")
        return StoredAudio(
            public_key=public_key,
            storage_key="o/7/task/1/0.mp3",
            mime="audio/mpeg",
            size_bytes=len(AUDIO_BYTES),
            sha256="ab" * 32,
            created_at=datetime(2026, 3, 1, 12, 0, tzinfo=UTC),
        )

    async def is_there(self, audio: StoredAudio) -> bool:
        return not self.is_object_lost

    async def open(self, audio: StoredAudio, start: int, end: int) -> AsyncIterator[bytes]:
        if self.is_object_lost:
            raise NotFoundError("audio file not found")
        for at in range(start, end, 64):
            yield AUDIO_BYTES[at : min(at + 64, end)]

    async def stats(self, team_id: TeamId | None) -> StatsView:
        self.stats_of.append(team_id)
        return StatsView(
            queued=5,
            running=1,
            succeeded=90,
            failed=3,
            cancelled=1,
            queue_size=9,
            queue_maxsize=self.queue_maxsize,
            avg_job_seconds=8.5,
            workers_online=2,
            workers_busy=1,
        )

    async def offers(self, team_id: TeamId) -> Offers:
        return Offers(
            models=[ModelOffer(name="acestep-v15-turbo", category="turbo")], default_model="acestep-v15-turbo"
        )

    async def language_models(self) -> list[OfferedLanguageModel]:
        return [OfferedLanguageModel(name="acestep-5Hz-lm-0.6B", is_default=True, is_loaded=True)]

    async def models(self) -> Sequence[OfferedModel]:
        return self.models_offered

    async def health(self) -> HealthView:
        self._reach_database()
        return HealthView(
            models_initialized=True,
            llm_initialized=False,
            loaded_model="acestep-v15-turbo",
            loaded_lm_model=None,
        )

    async def metrics(self) -> Numbers:
        self._reach_database()
        return Numbers(
            teams=[
                TeamNumbers(
                    name='team "a"',
                    waiting=5,
                    oldest_s=7.5,
                    running=1,
                    succeeded=90,
                    failed=3,
                    cancelled=1,
                    waits=[80, *[0] * 3, 14, *[0] * 7, 2],
                    waits_s=7300.5,
                )
            ],
            workers=[WorkerNumbers(id=UUID(int=1), state="ready", slots=2, doorbell_failures=4)],
            stages={"diffusing": (1.5, 3.0)},
            leases_lost=6,
            deliveries_waiting=8,
            deliveries_oldest_s=9.5,
        )

    async def caller_by_key(self, digest: bytes) -> Caller | None:
        if self.key_failures:
            raise self.key_failures.pop(0)
        return self.keys.get(digest)

    async def usage(self, query: UsageQuery) -> Sequence[UsageRow]:
        return []

    async def has_keys(self) -> bool:
        return bool(self.keys)


Client: TypeAlias = AsyncTestClient[Litestar]
Connect: TypeAlias = Callable[..., AbstractAsyncContextManager[Client]]
