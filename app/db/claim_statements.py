"""The SQL that takes the next task: whose turn it is among the teams, and which task of that team."""

from sqlalchemy import text

from app.db.outbox import tell
from app.db.turns import NEXT_TURN, PRESENT
from app.domain.numbers import WAIT_BOUNDS_S

# A task that needs a language model is left to workers that offer one beside its model. Where none has for
# five minutes (a restart takes less) anybody takes it: it ends with the reason instead of waiting for ever.
_ELIGIBLE_TASK = """
q.status = 'queued' AND q.run_after <= now()
      AND q.model = ANY(CAST(:models AS text[])) AND q.kind = ANY(CAST(:kinds AS text[]))
      AND (NOT q.needs_lm OR CAST(:has_lm AS bool) OR q.model <> ALL(ARRAY(
           SELECT m.value->>'name' FROM workers w CROSS JOIN jsonb_array_elements(w.models) m
           WHERE w.seen_at > now() - interval '5 minutes' AND w.models @> '[{"category": "lm"}]')))
"""


def _eligible_teams(also: str = "") -> str:
    """Teams that may start one of their tasks now; `also` narrows the tasks.

    A prompt job is short and does not count as running, so the limit does not hold it back. The sub-select is
    scalar and in the order of its index: as a semi-join the planner may read the whole queue.
    """
    return f"""
FROM team_state s JOIN teams t ON t.id = s.team_id
    WHERE t.disabled_at IS NULL
      AND (SELECT TRUE FROM tasks q WHERE q.team_id = s.team_id AND {_ELIGIBLE_TASK} {also}
           AND (q.lane = 0 OR t.max_running IS NULL OR s.running < t.max_running)
           ORDER BY q.lane, q.queue_rank, q.seq LIMIT 1)
      AND NOT EXISTS (SELECT FROM settings WHERE key = 'queue_paused' AND value = 'true'::jsonb)
"""  # noqa: S608 - parts of this file only


ELIGIBLE = text(f"SELECT EXISTS (SELECT {_eligible_teams()})")
WAITED_LONG = text(
    "SELECT EXISTS (SELECT "
    + _eligible_teams("AND q.run_after <= now() - make_interval(secs => CAST(:waited_s AS float8))")
    + ")"
)

_FAIREST_FIRST = "ORDER BY r.next_turn, r.last_served NULLS FIRST, r.team_id LIMIT 1"

# What is added to the waits of the team; 1-based, as arrays are.
_IS_FIRST = "FILTER (WHERE lane > 0 AND attempt = 1)"
_BOUNDS = f"CAST(ARRAY{list(WAIT_BOUNDS_S)} AS float8[])"
_FIRST_STARTS = f"""count(*) {_IS_FIRST} AS begun, coalesce(sum(waited_s) {_IS_FIRST}, 0) AS waited_s,
                 coalesce(max(width_bucket(waited_s, {_BOUNDS})), 0) + 1 AS wait"""

# Weighted round robin. A team whose row another claim holds is passed over for one that would be next anyway;
# else the claim waits, as any other choice would be unfair under load.
# MATERIALIZED and scalar sub-selects: as plain joins the planner may run the picking once per row, and one
# statement then claims several tasks (seen with statistics taken while the table held one row).
CLAIM = text(f"""
WITH {PRESENT}, ready AS MATERIALIZED (
    SELECT s.team_id, s.last_served, t.max_running, CAST(t.weight AS float8) AS weight,
           CASE WHEN 'generate' = ANY(CAST(:kinds AS text[])) THEN {NEXT_TURN} ELSE 0 END AS next_turn
    {_eligible_teams()}
), free AS MATERIALIZED (
    SELECT s.* FROM team_state s JOIN ready r ON r.team_id = s.team_id
    WHERE r.next_turn <= (SELECT min(next_turn + 1 / weight) FROM ready)
    {_FAIREST_FIRST}
    FOR UPDATE OF s SKIP LOCKED
), awaited AS MATERIALIZED (
    SELECT s.* FROM team_state s
    WHERE s.team_id = (SELECT r.team_id FROM ready r {_FAIREST_FIRST}) AND NOT EXISTS (SELECT FROM free)
    FOR UPDATE OF s
), team AS MATERIALIZED (
    SELECT s.team_id, r.weight, {NEXT_TURN} AS next_turn, r.max_running - s.running AS slots
    FROM (SELECT * FROM free UNION ALL SELECT * FROM awaited) s JOIN ready r ON r.team_id = s.team_id
), picked AS MATERIALIZED (
    SELECT q.seq FROM tasks q
    WHERE q.team_id = (SELECT team_id FROM team) AND {_ELIGIBLE_TASK}
      AND (q.lane = 0 OR coalesce((SELECT slots FROM team) > 0, TRUE))
    ORDER BY q.lane, q.queue_rank, q.seq
    LIMIT 1
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE tasks SET
        status = 'running', attempt = attempt + 1, worker_id = CAST(:worker_id AS uuid),
        lease_until = now() + make_interval(secs => :lease_s),
        started_at = now(), first_started_at = coalesce(first_started_at, now()),
        progress = 0.01, stage = 'loading', progress_text = 'initializing'
    WHERE seq = (SELECT seq FROM picked) AND status = 'queued'
    RETURNING seq, id, team_id, attempt, crashes, kind, task_type, lane, model, request_id, status,
              error_code, error_message,
              greatest(0, CAST(extract(epoch FROM first_started_at - created_at) AS float8)) AS waited_s
), served AS (
    UPDATE team_state s SET
        running = s.running + c.songs, last_served = now(),
        turn_start = CASE WHEN c.songs > 0 THEN c.next_turn ELSE s.turn_start END,
        turn_end = CASE WHEN c.songs > 0 THEN c.next_turn + 1 / c.weight ELSE s.turn_end END,
        still_waiting = CASE WHEN c.songs > 0 THEN coalesce(c.slots > 1, TRUE) AND coalesce((
            SELECT TRUE FROM tasks q WHERE q.team_id = c.team_id AND {_ELIGIBLE_TASK}
            AND q.lane > 0 AND q.seq <> c.seq ORDER BY q.lane, q.queue_rank, q.seq LIMIT 1), FALSE)
                        ELSE s.still_waiting END,
        waits[c.wait] = s.waits[c.wait] + c.begun, waits_s = s.waits_s + c.waited_s
    FROM (SELECT count(*) FILTER (WHERE lane > 0) AS songs, max(seq) AS seq,
                 {_FIRST_STARTS}
          FROM claimed) one,
         LATERAL (SELECT one.*, team.* FROM team) c
    WHERE s.team_id = c.team_id AND c.seq IS NOT NULL
), noted AS (
    INSERT INTO task_events (task_seq, team_id, event, attempt, actor_kind, actor_id)
    SELECT seq, team_id, 'claimed', attempt, 'worker', CAST(CAST(:worker_id AS uuid) AS text)
    FROM claimed
){tell("claimed", "'task.started'", is_final=False)}
SELECT c.id, c.team_id, g.public_id AS public_team_id, c.attempt, c.crashes, c.kind, c.task_type, c.model,
       c.request_id, p.params, p.inputs, p.traceparent
FROM claimed c JOIN task_params p ON p.task_seq = c.seq JOIN teams g ON g.id = c.team_id
""")  # noqa: S608
