"""A busy service to look at: teams, keys, weeks of usage, tasks in every state, written by SQL."""

import json
import random
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg

TURBO, BASE = "acestep-v15-turbo", "acestep-v15-base"
TEAMS = ("studio-milano", "game-audio", "radio-seoul", "research")
PROMPTS = (
    "warm lo-fi hip hop, dusty vinyl, mellow electric piano, late night",
    "epic orchestral trailer with taiko drums and brass swells",
    "비 오는 밤의 잔잔한 피아노와 첼로",
    "canzone pop italiana, chitarra acustica, voce femminile, estate",
    "fast punk rock, three chords, shouted chorus",
    "ambient pads for a planetarium, slow evolving, no drums",
    "bossa nova with nylon guitar and soft brushes",
    "techno 130 bpm, acid bass line, warehouse reverb",
    "children's choir with glockenspiel, bright and simple",
    "funk with slap bass, horn stabs and a talking guitar",
)
_TASK = """
INSERT INTO tasks (id, team_id, api_key_id, request_id, kind, task_type, model, status, attempt,
    progress, priority, created_at, run_after, queue_rank, first_started_at, started_at, finished_at, result,
    error_code, error_message, gpu_seconds, worker_id, lease_until, stage, progress_text)
VALUES ($1, $2, $3, $4, 'generate', $5, $6, $7, $8, $9, $10, $11, $11, $11, $12, $12, $13, $14, $15, $16, $17,
    $18, $19, $20, $21) RETURNING seq
"""
_PARAMS = """
INSERT INTO task_params (
    task_seq, request, content_type, params, labels, adjustments, submit_position, client)
VALUES ($1, $2, 'application/json', $3, $4, $5, 1, $6)
"""
_EVENT = """
INSERT INTO task_events (task_seq, team_id, at, event, attempt, actor_kind, actor_id, data)
VALUES ($1, $2, $3, $4, 1, 'worker', $5, $6)
"""
_OBJECT = """
INSERT INTO objects (task_seq, team_id, role, attempt, item, public_key, storage_key, ext, mime, bytes,
    sha256, duration_s, sample_rate, seed)
VALUES ($1, $2, 'output', 1, 0, $3, $4, 'mp3', 'audio/mpeg', $5, $6, $7, 48000, $8)
"""
_WORKER = """
INSERT INTO workers (id, host, pid, version, state, slots, loaded, device, vram_mb, started_at, seen_at)
VALUES ($1, $2, 4127, '0.1.0', 'ready', 2, $3, $4, 81559, $5, now() + interval '1 day')
"""
_USAGE = """
INSERT INTO usage_daily (team_id, api_key_id, model, day, succeeded, failed, cancelled, gpu_seconds,
    audio_seconds, stored_bytes, ran, run_seconds, wait_seconds)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $5, $8, $11)
"""
_COUNTS = """
UPDATE team_state s
SET succeeded = n.done, failed = n.failed, cancelled = n.cancelled, running = n.running FROM (
    SELECT team_id, count(*) FILTER (WHERE status = 'succeeded') AS done,
           count(*) FILTER (WHERE status = 'failed') AS failed,
           count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
           count(*) FILTER (WHERE status = 'running') AS running
    FROM tasks GROUP BY team_id) n WHERE n.team_id = s.team_id
"""


class Showcase:
    """Writes the rows; everything but the clock comes from one seed."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._random = random.Random(20)
        self._now = datetime.now(UTC)
        self._workers = [self._uuid(), self._uuid()]
        self._owners: list[tuple[int, int]] = []

    async def write(self, tasks: int = 300) -> list[UUID]:
        """Fill an empty database; returns the ids of the ended tasks, oldest first."""
        await self._make_owners()
        for at, host in enumerate(("gpu-01", "gpu-02")):
            device, loaded = "NVIDIA H100 80GB", json.dumps([TURBO] if at else [TURBO, BASE])
            since = self._now - timedelta(days=3, hours=at)
            await self._connection.execute(_WORKER, self._workers[at], host, loaded, device, since)
        ended = [await self._ended(self._now - timedelta(minutes=4 * (tasks - n))) for n in range(tasks)]
        for n in range(3):
            await self._live("running", n)
        for n in range(12):
            await self._live("queued", n)
        await self._usage()
        await self._connection.execute(_COUNTS)
        return ended

    async def _make_owners(self) -> None:
        for name in TEAMS:
            team = await self._connection.fetchval("INSERT INTO teams (name) VALUES ($1) RETURNING id", name)
            await self._connection.execute("INSERT INTO team_state (team_id) VALUES ($1)", team)
            for what in ("website", "batch"):
                prefix = f"ace_{self._hex(4)}{what[:1]}x7Q"
                key = await self._connection.fetchval(
                    "INSERT INTO api_keys (team_id, name, prefix, last4, hash, scopes, last_used_at) "
                    "VALUES ($1, $2, $3, 'abcd', $4, $5, now() - interval '5 minutes') RETURNING id",
                    team,
                    f"{name} {what}",
                    prefix[:12],
                    bytes.fromhex(self._hex(32)),
                    ["tasks:write", "tasks:read", "tasks:cancel", "audio:read"],
                )
                self._owners.append((team, key))

    async def _ended(self, created: datetime) -> UUID:
        status = self._random.choices(("succeeded", "failed", "cancelled"), (90, 6, 4))[0]
        code, text = None, None
        if status != "succeeded":
            code = (
                "cancelled"
                if status == "cancelled"
                else self._random.choice(("timeout", "gpu_out_of_memory"))
            )
            text = "cancelled by the client" if status == "cancelled" else "the task failed on the worker"
        started = created + timedelta(seconds=self._random.uniform(0.3, 9))
        finished = started + timedelta(seconds=self._random.uniform(6, 40))
        times = (created, started, finished)
        return await self._task(status, times, error=(code, text))

    async def _live(self, status: str, n: int) -> UUID:
        created = self._now - timedelta(seconds=25 + 9 * n)
        started = created + timedelta(seconds=3) if status == "running" else None
        return await self._task(status, (created, started, None), error=(None, None))

    async def _task(
        self, status: str, times: tuple[datetime, datetime | None, datetime | None], *, error: tuple[Any, Any]
    ) -> UUID:
        created, started, finished = times
        team, key = self._random.choice(self._owners)
        model = self._random.choices((TURBO, BASE), (8, 2))[0]
        kind = self._random.choices(("text2music", "cover", "repaint"), (8, 1, 1))[0]
        id_, is_running = self._uuid(), status == "running"
        seconds = self._random.choice((30, 45, 60, 90, 120, 180))
        live = {"stage": "diffusing", "text": "dit diffusion: step 5/8", "part": 0.62} if is_running else {}
        seq = await self._connection.fetchval(
            _TASK,
            *(id_, team, key, f"req-{self._hex(6)}", kind, model, status, 0 if status == "queued" else 1),
            *(live.get("part", 1.0 if status == "succeeded" else 0.0), self._random.choice((0, 0, 0, 2))),
            *(created, started, finished, '{"items": []}' if status == "succeeded" else None, *error),
            (finished - started).total_seconds() if finished and started else None,
            self._workers[0] if is_running else None,
            self._now + timedelta(days=1) if is_running else None,
            *(live.get("stage"), live.get("text")),
        )
        seed = self._random.randrange(2**32)
        await self._describe(seq, kind, model, seconds, seed)
        await self._tell(seq, team, times, status)
        if status == "succeeded":
            size = seconds * 24_000
            digest, path = sha256(id_.bytes).hexdigest(), f"audio/{id_.hex}.mp3"
            await self._connection.execute(_OBJECT, seq, team, path, f"o/{id_}", size, digest, seconds, seed)
        return id_

    async def _describe(self, seq: int, kind: str, model: str, seconds: int, seed: int) -> None:
        prompt = self._random.choice(PROMPTS)
        raw = {"prompt": prompt, "audio_duration": seconds, "inference_steps": 45, "thinking": True}
        params = {"prompt": prompt, "lyrics": "[inst]", "audio_duration": seconds, "inference_steps": 20}
        params |= {
            "seeds": [seed],
            "lm_seed": seed,
            "batch_size": 1,
            "task_type": kind,
            "audio_format": "mp3",
        }
        params |= {"model": model, "thinking": True, "bpm": 92, "key_scale": "A minor", "guidance_scale": 7.0}
        adjusted = [
            {"field": "inference_steps", "given": 45, "used": 20, "reason": "turbo models take 1 to 20 steps"}
        ]
        client = {"ip": "10.0.4.17", "user_agent": "acestep-client/0.1"}
        labels = {"project": self._random.choice(("trailer", "podcast", "level-3"))}
        values = [json.dumps(value) for value in (raw, params, labels, adjusted, client)]
        await self._connection.execute(_PARAMS, seq, *values)

    async def _tell(self, seq: int, team: int, times: tuple[Any, Any, Any], status: str) -> None:
        created, started, finished = times
        worker = str(self._workers[0])
        await self._connection.execute(_EVENT, seq, team, created, "queued", None, "{}")
        if started:
            await self._connection.execute(_EVENT, seq, team, started, "claimed", worker, "{}")
            end = finished or started + timedelta(seconds=15)
            for stage, part in (("lm", 0.1), ("diffusing", 0.3), ("decoding", 0.8), ("saving", 0.93)):
                at, data = started + (end - started) * part, json.dumps({"stage": stage})
                await self._connection.execute(_EVENT, seq, team, at, "stage", worker, data)
        if finished:
            await self._connection.execute(_EVENT, seq, team, finished, status, worker, "{}")

    async def _usage(self) -> None:
        for back in range(30):
            day = (self._now - timedelta(days=back)).date()
            busy = 1 + 0.5 * (day.weekday() < 5) + self._random.uniform(-0.3, 0.3)
            for team, key in self._owners:
                tasks = int(busy * self._random.randint(20, 60))
                failed, run = self._random.randint(0, 3), tasks * self._random.uniform(10, 18)
                await self._connection.execute(
                    _USAGE,
                    *(team, key, TURBO, day, tasks, failed, failed // 2, run, tasks * 75.0),
                    *(tasks * 1_800_000, tasks * self._random.uniform(1, 6)),
                )

    def _hex(self, length: int) -> str:
        return self._random.randbytes(length).hex()

    def _uuid(self) -> UUID:
        return UUID(bytes=self._random.randbytes(16), version=4)


async def fill(url: str, tasks: int = 300) -> list[UUID]:
    """Fill the database at an address."""
    connection = await asyncpg.connect(url)
    try:
        return await Showcase(connection).write(tasks)
    finally:
        await connection.close()
