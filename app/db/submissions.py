"""New tasks: what was accepted before, and the insert of the row with everything it is found by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.objects import EXPIRES
from app.domain.errors import ConflictError
from app.domain.idempotency import Idempotency
from app.domain.inputs import TaskInput
from app.domain.task import Accepted, TaskId, TeamId
from app.domain.terms import terms_of, text_of
from app.domain.tracing import current_traceparent

# The task itself, whose first commit got no answer, or the one that took the client's key before. The event
# outlives an erasure of the task. Keys that admins used for tasks of other teams are theirs alone: another
# caller of their team may have used the same one, and the request then tells which is meant.
_ACCEPTED = text("""
WITH asked AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:teams AS bigint[]), CAST(:admins AS bool[]),
                         CAST(:keys AS text[]), CAST(:hashes AS bytea[]))
        WITH ORDINALITY AS a(id, team_id, is_admin, key, hash, n)
), found AS (
    SELECT a.n, a.hash, t.id, t.seq, t.request_hash FROM asked a JOIN tasks t ON t.id = a.id
    UNION
    SELECT a.n, a.hash, t.id, t.seq, t.request_hash
    FROM asked a JOIN tasks t ON t.team_id = a.team_id AND t.idempotency_key = a.key
    UNION
    SELECT a.n, a.hash, t.id, t.seq, t.request_hash
    FROM asked a
    JOIN tasks t ON t.admin_team_id = a.team_id AND t.admin_idempotency_key = a.key AND a.is_admin
)
SELECT DISTINCT ON (f.n) f.n, f.id, f.request_hash, CAST(e.data->>'position' AS int) AS position
FROM found f JOIN task_events e ON e.task_seq = f.seq AND e.event = 'queued'
ORDER BY f.n, f.request_hash IS NOT DISTINCT FROM f.hash DESC
""")

# Each word stands with its team before it: in the index, words of other teams are then no matches at all.
# The first thousand are enough for a song, and bound what one request writes.
_WORDS = """ARRAY(SELECT team_id || ':' || lexeme FROM unnest(to_tsvector('simple', text))
                 ORDER BY positions[1] LIMIT 1000)"""

# Any number of tasks, given as one JSON text, in their order.
# clock_timestamp, not now(): inside the gate the order of commits is the order of these times.
_INSERT = text(f"""
WITH clock AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(:tasks AS jsonb)) AS g(
        n int, id uuid, team_id bigint, api_key_id bigint, parent_id uuid, parent_relation text,
        request_id text, kind text, task_type text, lane smallint, priority smallint, requested_model text,
        model text, needs_lm bool, idempotency_key text, admin_team_id bigint, admin_idempotency_key text,
        request_hash text, reserved_seconds float8, request jsonb, content_type text, params jsonb,
        adjustments jsonb, inputs jsonb, objects jsonb, shared bigint[], labels jsonb, client jsonb,
        webhook_url text, traceparent text, "position" int, terms text[], text text)
), task AS (
    INSERT INTO tasks (id, team_id, api_key_id, parent_id, parent_relation, request_id, kind, task_type, lane,
                       priority, requested_model, model, needs_lm, idempotency_key, admin_team_id,
                       admin_idempotency_key, request_hash, reserved_seconds, created_at, run_after,
                       queue_rank)
    SELECT id, team_id, api_key_id, parent_id, parent_relation, request_id, kind, task_type, lane, priority,
           requested_model, model, needs_lm, idempotency_key, admin_team_id, admin_idempotency_key,
           decode(request_hash, 'hex'), reserved_seconds, clock.now, clock.now,
           clock.now - make_interval(secs => CAST(:ageing_s AS float8) * priority)
    FROM given, clock ORDER BY n
    ON CONFLICT (id) DO NOTHING
    RETURNING seq, id, created_at
), new AS MATERIALIZED (
    SELECT task.seq, task.created_at, given.* FROM task JOIN given USING (id) ORDER BY n
), params AS (
    INSERT INTO task_params (task_seq, request, content_type, params, adjustments, inputs, labels, client,
                             webhook_url, submit_position, traceparent)
    SELECT seq, request, content_type, params, adjustments, inputs, labels, client, webhook_url, "position",
           traceparent
    FROM new
), stored AS (
    INSERT INTO objects (task_seq, team_id, role, public_key, storage_key, ext, mime, bytes, sha256,
                         duration_s, sample_rate, expires_at)
    SELECT new.seq, new.team_id, 'input', i.public_key, i.storage_key, i.ext, i.mime, i.bytes, i.sha256,
           i.duration_s, i.sample_rate, {EXPIRES}
    FROM new JOIN teams ON teams.id = new.team_id,
         jsonb_to_recordset(new.objects) AS i(
            public_key text, storage_key text, ext text, mime text, bytes bigint, sha256 text,
            duration_s float8, sample_rate int)
), shared AS (
    INSERT INTO task_inputs (object_id, task_seq)
    SELECT DISTINCT object_id, new.seq FROM new, unnest(new.shared) AS object_id
), termed AS (
    INSERT INTO task_terms (task_seq, team_id, created_at, term)
    SELECT seq, team_id, created_at, unnest(terms) FROM new
), worded AS (
    INSERT INTO task_words (task_seq, created_at, words)
    SELECT seq, created_at, words FROM (SELECT seq, created_at, {_WORDS} AS words FROM new) found
    WHERE words <> '{{}}'
)
INSERT INTO task_events (task_seq, team_id, event, actor_kind, actor_id, data)
SELECT seq, team_id, 'queued', 'client', CAST(api_key_id AS text), jsonb_build_object('position', "position")
FROM new
""")  # noqa: S608 - parts of this file only


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task to insert; times and numbers are given by the database.

    `objects` has the column values of inputs that are new in the store, `shared` the ids of those that other
    tasks own; `reserved_seconds` is the most audio that the task may produce.
    """

    id: TaskId
    team_id: TeamId
    api_key_id: int | None
    parent_id: TaskId | None = None
    parent_relation: str | None = None
    request_id: str
    kind: str = "generate"
    task_type: str | None = None
    lane: int = 1
    priority: int = 0
    requested_model: str | None = None
    model: str
    needs_lm: bool = False
    idempotency: Idempotency | None = None
    reserved_seconds: float = 0.0
    request: Mapping[str, Any]
    content_type: str
    params: Mapping[str, Any]
    adjustments: Sequence[Any] = ()
    inputs: Sequence[TaskInput] = ()
    objects: Sequence[Mapping[str, Any]] = ()
    shared: Sequence[int] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    client: Mapping[str, str] | None = None
    webhook_url: str | None = None
    traceparent: str | None = field(default_factory=current_traceparent.get)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that may have been accepted before, under this id or with its key."""

    id: TaskId | None = None
    idempotency: Idempotency | None = None


class Submissions:
    """Statements that store tasks."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def accepted(self, asked: Sequence[Asked]) -> list[Accepted | ConflictError | None]:
        """The answers that these tasks, or earlier requests with their keys, were given; None for new ones.

        A ConflictError stands where the key was used for another request.
        """
        values = {
            "ids": [each.id for each in asked],
            "teams": [each.idempotency.team_id if each.idempotency else None for each in asked],
            "admins": [each.idempotency is not None and each.idempotency.is_admin for each in asked],
            "keys": [each.idempotency.key if each.idempotency else None for each in asked],
            "hashes": [each.idempotency.digest if each.idempotency else None for each in asked],
        }
        rows = await self._connection.execute(_ACCEPTED, values)
        found: list[Accepted | ConflictError | None] = [None] * len(asked)
        for row in rows:
            each = asked[row.n - 1]
            is_replayed = row.id != each.id
            try:
                if is_replayed and each.idempotency:
                    each.idempotency.check(row.request_hash)
            except ConflictError as error:
                found[row.n - 1] = error
                continue
            found[row.n - 1] = Accepted(
                task_id=TaskId(row.id), queue_position=row.position, is_replayed=is_replayed
            )
        return found

    async def insert(
        self, tasks: Sequence[tuple[NewTask, int]], *, ageing_s: float, retention_days: int | None = None
    ) -> None:
        """Store queued tasks with their parameters and first events; a repeated id changes nothing.

        Args:
            tasks: each with its 1-based place among the waiting tasks, counted under the gate.
            ageing_s: seconds of waiting that weigh as much as one step of priority.
            retention_days: how long inputs are kept where the team says nothing; None = for ever.
        """
        given = [_columns(task, number, position) for number, (task, position) in enumerate(tasks)]
        values = {"ageing_s": ageing_s, "retention_days": retention_days}
        await self._connection.execute(_INSERT, {"tasks": msgspec.json.encode(given).decode(), **values})


def _columns(task: NewTask, number: int, position: int) -> dict[str, Any]:
    """Values of one task as `_INSERT` names them."""
    values = {name: getattr(task, name) for name in NewTask.__dataclass_fields__ if name != "idempotency"}
    return {**values, "n": number, "position": position, **_idempotency(task), **_found_by(task)}


def _idempotency(task: NewTask) -> dict[str, Any]:
    """The key among those of the task's team, or of the team of an admin who belongs to another one."""
    given = task.idempotency
    key, is_own = (given.key, given.team_id == task.team_id) if given else (None, True)
    return {
        "idempotency_key": key if is_own else None,
        "admin_team_id": given.team_id if given and not is_own else None,
        "admin_idempotency_key": None if is_own else key,
        "request_hash": given.digest.hex() if given else None,
    }


def _found_by(task: NewTask) -> dict[str, Any]:
    """What a list finds the task by; prompt jobs are in no list."""
    if task.kind != "generate":
        return {"terms": [], "text": ""}
    terms = terms_of(
        seeds=task.params.get("seeds", ()),
        labels=task.labels,
        input_hashes=[given.sha256 for given in task.inputs],
        parent_id=task.parent_id,
    )
    return {"terms": terms, "text": text_of(task.params)}
