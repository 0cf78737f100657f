"""A long history, written by SQL: teams of uneven size, states, models, labels, words, outputs.

Nothing in it depends on how long it is but the number of rows: rare things are rare everywhere, and the same
number of tasks has them in every length.
"""

import asyncpg

BIG_TEAM = "big"
TEAMS = 20
RARE = 100
"""How many tasks of the big team have each of the rare things."""

_TEAMS = """
INSERT INTO teams (name) SELECT CASE n WHEN 1 THEN 'big' ELSE 'team ' || n END FROM generate_series(1, $1) n
"""
_STATES = "INSERT INTO team_state (team_id) SELECT id FROM teams ON CONFLICT DO NOTHING"
_KEYS = """
INSERT INTO api_keys (team_id, name, prefix, last4, hash, scopes)
SELECT t.id, 'key ' || n, 'ace_' || t.id || '_' || n, 'xxxx', decode(md5(t.id || '/' || n), 'hex'), '{}'
FROM teams t, generate_series(1, 5) n
"""

# Every 30 seconds a task, so that the times of a long history are those of a long time. Half of them are of
# the big team. `rare` marks tasks of that team, evenly spread.
_PLAN = """
CREATE UNLOGGED TABLE plan AS
SELECT n AS seq, gen_random_uuid() AS id,
       CASE WHEN n % 2 = 0 THEN (SELECT min(id) FROM teams WHERE name = 'big')
            ELSE (SELECT min(id) FROM teams WHERE name = 'big') + 1 + (n / 2) % ($2 - 1) END AS team_id,
       n % (greatest($1 / $3, 2) / 2 * 2) = 0 AS rare,
       now() - interval '30 seconds' * ($1 - n) AS created_at,
       CASE WHEN n % 10 < 9 THEN 'succeeded' WHEN n % 100 = 99 THEN 'cancelled' ELSE 'failed' END AS status,
       random() AS r
FROM generate_series(1, $1) n
"""
_TASKS = """
INSERT INTO tasks (seq, id, team_id, api_key_id, request_id, kind, task_type, requested_model, model, status,
                   attempt, progress, created_at, run_after, queue_rank, first_started_at, started_at,
                   finished_at, result, error_code, error_message, gpu_seconds)
OVERRIDING SYSTEM VALUE
SELECT seq, id, team_id,
       (SELECT id FROM api_keys k WHERE k.team_id = plan.team_id
        ORDER BY id OFFSET CASE WHEN rare THEN 4 ELSE (seq % 4)::int END LIMIT 1),
       'r' || seq, 'generate', CASE WHEN rare THEN 'lego' WHEN r < 0.1 THEN 'cover' ELSE 'text2music' END,
       NULL, CASE WHEN rare THEN 'acestep-v15-base' ELSE 'acestep-v15-turbo' END,
       CASE WHEN rare THEN 'failed' ELSE status END, 1, 1,
       created_at, created_at, created_at,
       created_at + interval '5 s', created_at + interval '5 s', created_at + interval '15 s',
       CASE WHEN status = 'succeeded' AND NOT rare THEN '{"items": []}'::jsonb END,
       CASE WHEN rare THEN 'timeout' WHEN status = 'failed' THEN 'internal'
            WHEN status = 'cancelled' THEN 'cancelled' END,
       NULL, 10
FROM plan ORDER BY seq
"""
# A vocabulary in which, as in songs, few words are common and most are rare.
_PARAMS = """
INSERT INTO task_params (task_seq, request, content_type, params, labels, submit_position)
SELECT seq, '{}', 'application/json',
       jsonb_build_object('prompt', CASE WHEN rare THEN 'unheard ' ELSE '' END || 'a song of number ' || seq,
                          'lyrics', lyrics, 'seeds', jsonb_build_array(seq * bigint '7919' % 4294967296),
                          'batch_size', 1),
       jsonb_build_object('project', 'p' || seq % 1000)
           || CASE WHEN rare THEN '{"mood": "rare"}'::jsonb ELSE '{}' END, 1
FROM plan CROSS JOIN LATERAL (
    SELECT string_agg('word' || (5000 * power(random(), 3))::int, ' ') AS lyrics
    FROM generate_series(1, 40) WHERE plan.seq > 0) words
ORDER BY seq
"""
_WORDS = """
INSERT INTO task_words (task_seq, words)
SELECT p.task_seq, ARRAY(SELECT plan.team_id || ':' || lexeme FROM unnest(
    to_tsvector('simple', (p.params->>'prompt') || ' ' || (p.params->>'lyrics'))))
FROM task_params p JOIN plan ON plan.seq = p.task_seq ORDER BY p.task_seq
"""
_TERMS = """
INSERT INTO task_terms (task_seq, team_id, created_at, term)
SELECT p.task_seq, plan.team_id, plan.created_at, term
FROM task_params p JOIN plan ON plan.seq = p.task_seq CROSS JOIN LATERAL (
    SELECT 'seed=' || (p.params->'seeds'->>0) AS term
    UNION ALL SELECT 'label ' || length(key) || ' ' || key || '=' || value FROM jsonb_each_text(p.labels)
    UNION ALL SELECT 'parent=' || (SELECT id FROM plan q WHERE q.seq = 2) WHERE plan.rare) found
ORDER BY p.task_seq
"""
_OBJECTS = """
INSERT INTO objects (task_seq, team_id, role, attempt, item, public_key, storage_key, ext, mime, bytes,
                     sha256, duration_s, sample_rate, seed)
SELECT seq, team_id, 'output', 1, 0, 'audio/' || md5(id::text) || '.mp3', 'o/' || id, 'mp3', 'audio/mpeg',
       100000, encode(sha256(id::text::bytea), 'hex'), 60, 48000, 1
FROM plan WHERE status = 'succeeded' AND NOT rare ORDER BY seq
"""
_EVENTS = """
INSERT INTO task_events (task_seq, team_id, at, event, attempt, actor_kind)
SELECT seq, team_id, created_at, event, 1, 'worker'
FROM plan, unnest(ARRAY['queued', 'claimed', 'succeeded']) event ORDER BY seq
"""
_COUNTERS = """
UPDATE team_state s SET succeeded = n.succeeded, failed = n.failed, cancelled = n.cancelled FROM (
    SELECT team_id, count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
           count(*) FILTER (WHERE status = 'failed') AS failed,
           count(*) FILTER (WHERE status = 'cancelled') AS cancelled
    FROM tasks GROUP BY team_id) n WHERE n.team_id = s.team_id
"""
_INDEXES = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index
WHERE NOT indisunique AND indrelid::regclass::text IN ('tasks', 'task_words', 'task_terms', 'objects')
"""
_NEXT = "SELECT setval(pg_get_serial_sequence('tasks', 'seq'), $1)"


async def fill(url: str, rows: int) -> None:
    """Write a history of so many ended tasks into an empty database."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET maintenance_work_mem = '512MB'")
        await connection.execute(_TEAMS, TEAMS)
        for statement in (_STATES, _KEYS):
            await connection.execute(statement)
        await connection.execute(_PLAN, rows, TEAMS, RARE)
        await connection.execute("ANALYZE plan")
        indexes = await connection.fetch(_INDEXES)
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['name']}")
        for statement in (_TASKS, _PARAMS, _WORDS, _TERMS, _OBJECTS, _EVENTS, _COUNTERS):
            await connection.execute(statement)
        for index in indexes:
            await connection.execute(index["definition"])
        await connection.execute("DROP TABLE plan")
        await connection.fetchval(_NEXT, rows)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
