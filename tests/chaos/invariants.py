"""What must hold after any fault: I1 to I10, looked up by SQL, over HTTP and in the store."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from app.db.engine import Database
from app.domain.ports import ObjectStore
from app.services.recovery import Recovery
from tests.fakes import ListeningDoorbell

IDS_AT_ONCE = 200
DOWNLOADS_AT_ONCE = 8
TRACEBACK = "Traceback (most recent call last)"


@dataclass
class Witness:
    """What clients were told while it happened.

    Attributes:
        acknowledged: ids that were answered with 200.
        refused: idempotency keys of which every answer was 429.
        erased: ids whose erasure a client has asked for.
        findings: what a client saw that must not be.
    """

    acknowledged: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    final: dict[str, tuple[str, str]] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def saw(self, entry: dict[str, Any]) -> bool:
        """Take in one entry of `/query_result`; whether the task has ended."""
        task_id, state = entry["task_id"], entry["state"]
        if task_id in self.erased:
            return True
        told = (state, entry["result"])
        if (before := self.final.get(task_id, told)) != told:
            self.findings.append(f"I3: {task_id} was {before[0]} and became {state}")
        if entry["status"] and task_id not in self.final:
            self.final[task_id] = told
            self.ended.append(task_id)
        return bool(entry["status"])

    def heard(self, response: httpx.Response) -> None:
        """Take in an answer that is no success."""
        if TRACEBACK in response.text or 'File "' in response.text or response.status_code == 500:
            self.findings.append(f"I10: {response.status_code} {response.text[:200]}")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where to look after a run; nothing of it may go through a faulty proxy, and no worker may run.

    Attributes:
        words: secrets, and texts of clients, that no log may hold.
    """

    database_url: str
    store: ObjectStore
    api_url: str
    witness: Witness
    logs: Sequence[Path] = ()
    words: Sequence[str] = ()


async def broken_invariants(scene: Scene) -> list[str]:
    """Check all; returns one line for each thing that is wrong."""
    found = [*scene.witness.findings, *_in_logs(scene)]
    found += [finding async for finding in _in_rows(scene)]
    found += [finding async for finding in _in_counters(scene)]
    found += [finding async for finding in _in_answers(scene)]
    found += [finding async for finding in _in_store(scene)]
    return found


# Each statement returns the ids that break the rule of its name.
_RULES = {
    "I2: not ended": "SELECT id FROM tasks WHERE finished_at IS NULL",
    "I4: not one outcome, or that of another attempt": """
        SELECT t.id FROM tasks t LEFT JOIN task_events e ON e.task_seq = t.seq
            AND e.event IN ('succeeded', 'failed', 'cancelled')
        WHERE t.finished_at IS NOT NULL
        GROUP BY t.seq HAVING count(e.id) <> 1 OR max(e.event) <> t.status OR max(e.attempt) <> t.attempt""",
    "I4: clips of another attempt, or of a task without success": """
        SELECT t.id FROM tasks t JOIN objects o ON o.task_seq = t.seq AND o.role = 'output'
        WHERE o.attempt <> t.attempt OR t.status <> 'succeeded'""",
    "I4: clips are missing": """
        SELECT t.id FROM tasks t JOIN task_params p ON p.task_seq = t.seq
        WHERE t.status = 'succeeded' AND jsonb_array_length(p.params->'seeds') <>
            (SELECT count(*) FROM objects o WHERE o.task_seq = t.seq AND o.role = 'output')""",
    "I8: an attempt was claimed twice or skipped": """
        SELECT t.id FROM tasks t LEFT JOIN task_events e ON e.task_seq = t.seq AND e.event = 'claimed'
        GROUP BY t.seq HAVING count(e.id) <> t.attempt OR count(DISTINCT e.attempt) <> t.attempt
            OR coalesce(max(e.attempt), 0) <> t.attempt""",
    "I8: claimed while another attempt had the lease": """
        SELECT t.id FROM tasks t JOIN (
            SELECT task_seq, event, attempt, lag(event) OVER turn AS event_before,
                   lag(attempt) OVER turn AS attempt_before
            FROM task_events WHERE event IN ('claimed', 'requeued', 'succeeded', 'failed', 'cancelled')
            WINDOW turn AS (PARTITION BY task_seq ORDER BY id)
        ) e ON e.task_seq = t.seq
        WHERE (e.event = 'claimed' AND coalesce(event_before, 'requeued') <> 'requeued')
           OR (e.event = 'requeued'
               AND (event_before, attempt_before) IS DISTINCT FROM ('claimed', e.attempt))""",
}


async def _in_rows(scene: Scene) -> AsyncIterator[str]:
    connection = await asyncpg.connect(scene.database_url)
    try:
        for rule, statement in _RULES.items():
            for row in await connection.fetch(statement):
                yield f"{rule}: {row['id']}"
        known = {str(row["id"]) for row in await connection.fetch("SELECT id FROM tasks")}
        for task_id in scene.witness.acknowledged - known:
            yield f"I1: acknowledged and gone: {task_id}"
        for row in await connection.fetch(
            "SELECT id FROM tasks WHERE idempotency_key = ANY($1)", list(scene.witness.refused)
        ):
            yield f"I9: refused with 429 and stored: {row['id']}"
    finally:
        await connection.close()


async def _in_counters(scene: Scene) -> AsyncIterator[str]:
    database = Database(scene.database_url)
    async with database.autocommit() as work:
        numbers = await work.stats.numbers(None, window=50, lease_s=30)
        recount = await work.stats.recount()
        for drift in await work.stats.drift():
            yield f"I7: {drift}"
    await database.close()
    told = {name: getattr(numbers, name) for name in recount}
    if told != recount:
        yield f"I7: statistics tell {told}, the rows {recount}"
    connection = await asyncpg.connect(scene.database_url)
    metered = await connection.fetchrow(
        "SELECT coalesce(sum(succeeded), 0), coalesce(sum(failed), 0), coalesce(sum(cancelled), 0) "
        "FROM usage_daily"
    )
    await connection.close()
    ended = [recount[name] for name in ("succeeded", "failed", "cancelled")]
    if [int(value) for value in metered] != ended:
        yield f"I7: usage has {list(metered)}, the rows {ended}"


async def _in_answers(scene: Scene) -> AsyncIterator[str]:
    """Every acknowledged task answers as it did before, and every clip with the stored bytes."""
    async with httpx.AsyncClient(base_url=scene.api_url, trust_env=False, timeout=60) as client:
        files: list[str] = []
        for ids in _portions(sorted(scene.witness.acknowledged - scene.witness.erased), IDS_AT_ONCE):
            answer = await client.post("/query_result", json={"task_id_list": ids})
            for entry in answer.raise_for_status().json()["data"]:
                if entry["state"] == "not_found":
                    yield f"I1: not found over HTTP: {entry['task_id']}"
                before = len(scene.witness.findings)
                scene.witness.saw(entry)
                for finding in scene.witness.findings[before:]:
                    yield finding
                files += [item["file"] for item in json.loads(entry["result"]) if item.get("file")]
        hashes = await _stored_hashes(scene.database_url)
        for some in _portions(files, DOWNLOADS_AT_ONCE):
            bodies = await asyncio.gather(*(client.get(file) for file in some))
            for file, answer in zip(some, bodies, strict=True):
                stored = hashes.get(httpx.URL(file).params["path"].lstrip("/"))
                if answer.status_code != 200 or hashlib.sha256(answer.content).hexdigest() != stored:
                    yield f"I5: {answer.status_code} or other bytes: {file}"


def _portions(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (values[at : at + size] for at in range(0, len(values), size))


async def _stored_hashes(database_url: str) -> dict[str, str]:
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("SELECT public_key, sha256 FROM objects WHERE deleted_at IS NULL")
    await connection.close()
    return {row["public_key"]: row["sha256"] for row in rows}


async def _in_store(scene: Scene) -> AsyncIterator[str]:
    """After a sweep, objects and rows are the same."""
    database = Database(scene.database_url)
    recovery = Recovery(database, ListeningDoorbell(), max_crashes=3, lease_s=0, store=scene.store)
    await recovery.remove_orphans(older_than_s=0)
    await database.close()
    kept = {item.key async for item in scene.store.list("")}
    connection = await asyncpg.connect(scene.database_url)
    rows = await connection.fetch("SELECT storage_key FROM objects WHERE deleted_at IS NULL")
    await connection.close()
    named = {row["storage_key"] for row in rows}
    for key in kept - named:
        yield f"I6: an object without a row: {key}"
    for key in named - kept:
        yield f"I6: a row without its object: {key}"


def _in_logs(scene: Scene) -> Iterable[str]:
    for log in scene.logs:
        text = log.read_text(errors="replace")
        for word in (*scene.words, TRACEBACK):
            if word in text:
                at = text.index(word)
                yield f"I10: {log.name} has {word!r}: {text[max(0, at - 300) : at + 1500]}"
