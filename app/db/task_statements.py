"""The SQL behind `tasks.py`. Every statement that leaves a state is made from one template."""

from sqlalchemy import TextClause, text

from app.db.objects import EXPIRES
from app.db.outbox import tell

HEARTBEAT = text("""
WITH beat AS (
    UPDATE tasks t SET
        lease_until = now() + make_interval(secs => :lease_s),
        progress = greatest(t.progress, b.progress), stage = b.stage, progress_text = b.progress_text
    FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS int[]), CAST(:progress AS real[]),
                CAST(:stages AS text[]), CAST(:texts AS text[]), CAST(:changed AS bool[]))
         AS b(id, attempt, progress, stage, progress_text, changed)
    WHERE t.id = b.id AND t.attempt = b.attempt AND t.status = 'running'
    RETURNING t.seq, t.id, t.team_id, t.attempt, t.cancel_requested_at, b.stage, b.changed
), noted AS (
    INSERT INTO task_events (task_seq, team_id, event, attempt, actor_kind, actor_id, data)
    SELECT seq, team_id, 'stage', attempt, 'worker', CAST(CAST(:worker_id AS uuid) AS text),
           jsonb_build_object('stage', stage)
    FROM beat WHERE changed
)
SELECT id, attempt, cancel_requested_at FROM beat
""")

NOTE = text("""
INSERT INTO task_events (task_seq, team_id, event, attempt, actor_kind, actor_id, data)
SELECT seq, team_id, CAST(:event AS text), CAST(:attempt AS int), CAST(:actor_kind AS text),
       CAST(:actor_id AS text), CAST(:data AS jsonb)
FROM tasks WHERE id = :id
""")

REQUEST_CANCEL = text("""
WITH asked AS (
    UPDATE tasks SET cancel_requested_at = now(), cancel_by = CAST(:actor_id AS text)
    WHERE id = :id AND team_id = :team_id AND status = 'running' AND cancel_requested_at IS NULL
    RETURNING seq, team_id, attempt
)
INSERT INTO task_events (task_seq, team_id, event, attempt, actor_kind, actor_id)
SELECT seq, team_id, 'cancel_requested', attempt, CAST(:actor_kind AS text), CAST(:actor_id AS text)
FROM asked
RETURNING id
""")


_MINE = "id = :id AND attempt = :attempt AND status = 'running'"
_ENDED = "worker_id = NULL, lease_until = NULL, progress_text = NULL, finished_at = now()"
_BACK = "worker_id = NULL, lease_until = NULL, progress = 0, stage = NULL, progress_text = NULL"
_GPU = "gpu_seconds = coalesce(t.gpu_seconds, 0) + CAST(:gpu_seconds AS float8)"


def _settle(guard: str, changes: str, *, more: str = "", skip_locked: bool = False) -> TextClause:
    """Lock the rows that match the guard, change them, and count, meter and note what happened.

    A row that another transaction holds is waited for and then judged again by the guard.
    """
    return text(f"""
WITH mine AS MATERIALIZED (
    SELECT seq, status AS old_status FROM tasks WHERE {guard}
    ORDER BY seq LIMIT 200
    FOR UPDATE {"SKIP LOCKED" if skip_locked else ""}
), done AS (
    UPDATE tasks t SET {changes}
    FROM mine WHERE t.seq = mine.seq
    RETURNING t.seq, t.id, t.team_id, t.api_key_id, t.kind, t.lane, t.model, t.status, t.attempt,
              t.error_code, t.error_message, t.created_at, t.first_started_at, t.started_at,
              mine.old_status, mine.old_status = 'running' AND t.status <> 'queued' AS ran
), counted AS (
    UPDATE team_state s SET
        running = s.running - n.left_running, succeeded = s.succeeded + n.succeeded,
        failed = s.failed + n.failed, cancelled = s.cancelled + n.cancelled
    FROM (
        SELECT team_id,
               count(*) FILTER (WHERE old_status = 'running' AND lane > 0) AS left_running,
               count(*) FILTER (WHERE kind = 'generate' AND status = 'succeeded') AS succeeded,
               count(*) FILTER (WHERE kind = 'generate' AND status = 'failed') AS failed,
               count(*) FILTER (WHERE kind = 'generate' AND status = 'cancelled') AS cancelled
        FROM done GROUP BY team_id
    ) n
    WHERE s.team_id = n.team_id
), metered AS (
    INSERT INTO usage_daily AS u (team_id, api_key_id, model, day, succeeded, failed, cancelled,
                                  gpu_seconds, audio_seconds, stored_bytes, ran, run_seconds, wait_seconds)
    SELECT team_id, api_key_id, model, CAST(now() AT TIME ZONE 'UTC' AS date),
           count(*) FILTER (WHERE status = 'succeeded'), count(*) FILTER (WHERE status = 'failed'),
           count(*) FILTER (WHERE status = 'cancelled'), sum(CAST(:gpu_seconds AS float8)),
           sum(CASE WHEN status = 'succeeded' THEN CAST(:audio_seconds AS float8) ELSE 0 END),
           sum(CASE WHEN status = 'succeeded' THEN CAST(:stored_bytes AS bigint) ELSE 0 END),
           count(*) FILTER (WHERE ran),
           coalesce(sum(extract(epoch FROM now() - started_at)) FILTER (WHERE ran), 0),
           coalesce(sum(extract(epoch FROM first_started_at - created_at)) FILTER (WHERE ran), 0)
    FROM done WHERE kind = 'generate'
    GROUP BY team_id, api_key_id, model
    ON CONFLICT (team_id, api_key_id, model, day) DO UPDATE SET
        succeeded = u.succeeded + excluded.succeeded, failed = u.failed + excluded.failed,
        cancelled = u.cancelled + excluded.cancelled,
        gpu_seconds = u.gpu_seconds + excluded.gpu_seconds,
        audio_seconds = u.audio_seconds + excluded.audio_seconds,
        stored_bytes = u.stored_bytes + excluded.stored_bytes,
        ran = u.ran + excluded.ran, run_seconds = u.run_seconds + excluded.run_seconds,
        wait_seconds = u.wait_seconds + excluded.wait_seconds
), noted AS (
    INSERT INTO task_events (task_seq, team_id, event, attempt, actor_kind, actor_id, data)
    SELECT seq, team_id, CASE status WHEN 'queued' THEN 'requeued' ELSE status END, attempt,
           CAST(:actor_kind AS text), CAST(:actor_id AS text),
           CAST(:data AS jsonb) || jsonb_strip_nulls(jsonb_build_object(
               'code', error_code, 'gpu_seconds', nullif(CAST(:gpu_seconds AS float8), 0)))
    FROM done
){tell("done", "'task.' || done.status", is_final=True)}{more}
SELECT id, team_id, attempt, status FROM done
""")  # noqa: S608


# A succeeded row keeps its progress text out: the answer is built from the result.
SUCCEED = _settle(
    f"{_MINE} AND cancel_requested_at IS NULL",
    f"status = 'succeeded', progress = 1, stage = 'succeeded', result = CAST(:result AS jsonb), "
    f"{_ENDED}, {_GPU}",
    more=f"""
, stored AS (
    INSERT INTO objects (task_seq, team_id, role, attempt, item, public_key, storage_key, ext, mime, bytes,
                         sha256, duration_s, sample_rate, seed, expires_at)
    SELECT done.seq, done.team_id, 'output', done.attempt, c.item, c.public_key, c.storage_key, c.ext,
           c.mime, c.bytes, c.sha256, c.duration_s, c.sample_rate, c.seed,
           {EXPIRES}
    FROM done JOIN teams ON teams.id = done.team_id,
         jsonb_to_recordset(CAST(:clips AS jsonb)) AS c(
            item smallint, public_key text, storage_key text, ext text, mime text, bytes bigint,
            sha256 text, duration_s float8, sample_rate int, seed bigint)
)""",  # noqa: S608
)

_ASKED = "t.cancel_requested_at IS NOT NULL"
_TRIES_LEFT = "(t.failures + 1 < CAST(:max_failures AS int))"

# A task that goes back to the queue ends instead if somebody asked to cancel it.
FAIL_OR_RETRY = _settle(
    _MINE,
    f"""
        failures = t.failures + 1,
        status = CASE WHEN {_ASKED} THEN 'cancelled' WHEN {_TRIES_LEFT} THEN 'queued' ELSE 'failed' END,
        run_after = now() + make_interval(secs => power(2, least(t.failures, 6))),
        finished_at = CASE WHEN {_ASKED} OR NOT {_TRIES_LEFT} THEN now() END,
        error_code = CASE WHEN {_ASKED} THEN 'cancelled' WHEN NOT {_TRIES_LEFT} THEN CAST(:code AS text) END,
        error_message = CASE WHEN {_ASKED} THEN 'cancelled'
                             WHEN NOT {_TRIES_LEFT} THEN CAST(:message AS text) END,
        {_BACK}, {_GPU}""",
)

RELEASE = _settle(
    _MINE,
    f"""
        status = CASE WHEN {_ASKED} THEN 'cancelled' ELSE 'queued' END, run_after = now(),
        finished_at = CASE WHEN {_ASKED} THEN now() END,
        error_code = CASE WHEN {_ASKED} THEN 'cancelled' END,
        error_message = CASE WHEN {_ASKED} THEN 'cancelled' END,
        {_BACK}, {_GPU}""",
)

CANCEL_RUNNING = _settle(
    f"{_MINE} AND cancel_requested_at IS NOT NULL",
    f"status = 'cancelled', error_code = 'cancelled', error_message = 'cancelled', {_ENDED}, {_GPU}",
)

CANCEL_QUEUED = _settle(
    "id = :id AND team_id = :team_id AND status = 'queued'",
    "status = 'cancelled', error_code = 'cancelled', error_message = 'cancelled', "
    "cancel_requested_at = now(), cancel_by = CAST(:actor_id AS text), finished_at = now()",
)

_LAST_CRASH = "t.crashes + 1 >= CAST(:max_crashes AS int)"
# The first crash costs no waiting: its cause is usually the machine, and another slot may be idle.
_LOST = f"""
        crashes = t.crashes + 1,
        status = CASE WHEN {_ASKED} THEN 'cancelled'
                      WHEN {_LAST_CRASH} THEN 'failed' ELSE 'queued' END,
        finished_at = CASE WHEN {_ASKED} OR {_LAST_CRASH}
                           THEN now() END,
        error_code = CASE WHEN {_ASKED} THEN 'cancelled'
                          WHEN {_LAST_CRASH} THEN 'worker_lost' END,
        error_message = CASE WHEN {_ASKED} THEN 'cancelled'
                             WHEN {_LAST_CRASH}
                             THEN 'the worker was lost ' || (t.crashes + 1) || ' times' END,
        run_after = now() + make_interval(
            secs => CASE WHEN t.crashes = 0 THEN 0 ELSE power(2, least(t.crashes, 6)) END),
        {_BACK}, {_GPU}"""
_NOTE_LOSS = """
, lost AS (
    INSERT INTO task_events (task_seq, team_id, event, attempt, actor_kind, actor_id, data)
    SELECT seq, team_id, 'heartbeat_lost', attempt, CAST(:actor_kind AS text),
           CAST(:actor_id AS text), CAST(:data AS jsonb)
    FROM done
)"""

# After a restart of the database every holder gets one lease's time to come back.
LOSE_EXPIRED = _settle(
    "status = 'running' AND lease_until < now() "
    "AND pg_postmaster_start_time() < now() - make_interval(secs => CAST(:lease_s AS float8))",
    _LOST,
    more=_NOTE_LOSS,
    skip_locked=True,
)
# Nobody waits for ever for a model that no worker has offered for long.
FAIL_UNSERVED = _settle(
    """status = 'queued' AND run_after < now() - make_interval(secs => CAST(:wait_s AS float8))
       AND NOT EXISTS (SELECT FROM workers w
                       WHERE w.seen_at > now() - make_interval(secs => CAST(:wait_s AS float8))
                         AND w.models @> jsonb_build_array(jsonb_build_object('name', tasks.model)))""",
    "status = 'failed', error_code = 'model_unavailable', finished_at = now(), "
    "error_message = 'no worker offers the model ' || t.model",
    skip_locked=True,
)
LOSE_WORKER = _settle("status = 'running' AND worker_id = :worker_id", _LOST, more=_NOTE_LOSS)
LOSE_ATTEMPT = _settle(_MINE, _LOST, more=_NOTE_LOSS)
