"""Rows that tests begin with."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg

from app.db.engine import Database
from app.db.submissions import NewTask
from app.db.tasks import Actor, ClaimedTask
from app.db.workers import WorkerReport
from app.domain.inputs import TaskInput
from app.domain.ports import ObjectStore
from app.domain.probe import PLAIN_KINDS
from app.domain.task import TaskId, TeamId
from app.services.uploads import Uploads
from app.storage.folder import FolderStore

MODEL = "acestep-tiny-random"
WORKER = uuid4()


async def a_task(
    db: Database,
    team: TeamId,
    *,
    model: str = MODEL,
    priority: int = 0,
    task_type: str = "text2music",
    needs_lm: bool = False,
    key_id: int | None = None,
    labels: Mapping[str, str] | None = None,
    inputs: Sequence[TaskInput] = (),
    parent_id: TaskId | None = None,
    **params: Any,
) -> TaskId:
    """Insert a queued task."""
    task = NewTask(
        id=TaskId(uuid4()),
        team_id=team,
        api_key_id=key_id,
        parent_id=parent_id,
        parent_relation="rerun" if parent_id else None,
        request_id="test",
        task_type=task_type,
        model=model,
        needs_lm=needs_lm,
        priority=priority,
        request={},
        content_type="application/json",
        params={"seeds": [1], "lm_seed": 2, "batch_size": 1, "task_type": task_type, **params},
        labels=labels or {},
        inputs=inputs,
    )
    async with db.transaction() as work:
        await work.queue.lock_gate()
        room = await work.queue.room(team, priority=priority, ageing_s=600)
        await work.submissions.insert([(task, room.position)], ageing_s=600)
    return task.id


async def many_tasks(url: str, team: TeamId, count: int) -> None:
    """Insert queued tasks of a team, oldest first, in one statement each table."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            """
            WITH made AS (
                INSERT INTO tasks (id, team_id, request_id, kind, task_type, model, queue_rank)
                SELECT gen_random_uuid(), $1, 'test', 'generate', 'text2music', $2,
                       now() + make_interval(secs => n * 1e-6)
                FROM generate_series(1, $3) AS n RETURNING seq
            )
            INSERT INTO task_params (task_seq, request, content_type, params, submit_position)
            SELECT seq, '{}', 'application/json', '{"seeds": [1]}', 1 FROM made
            """,
            team,
            MODEL,
            count,
        )
    finally:
        await connection.close()


async def claim(
    db: Database, *, worker: Any = WORKER, model: str = MODEL, lease_s: float = 30
) -> list[ClaimedTask]:
    """Claim as a worker would."""
    async with db.autocommit() as work:
        return await work.tasks.claim(worker_id=worker, models=[model], kinds=["generate"], lease_s=lease_s)


async def a_finished_task(db: Database, team: TeamId, *, failure: str | None = None, **task: Any) -> TaskId:
    """Insert, claim and finish a task: with one clip, or with an error code."""
    await a_task(db, team, **task)
    (claimed,) = await claim(db, model=task.get("model", MODEL))
    actor = Actor(kind="worker", id=str(WORKER))
    async with db.autocommit() as work:
        if failure is None:
            await work.tasks.succeed(
                claimed.id, 1, actor=actor, result={"items": []}, clips=[a_clip(claimed)], gpu_seconds=1
            )
        else:
            await work.tasks.fail_or_retry(
                claimed.id,
                1,
                actor=actor,
                code=failure,
                message="it failed",
                trace=None,
                max_failures=1,
                gpu_seconds=1,
            )
    return claimed.id


async def a_running_task(db: Database, team: TeamId, **options: Any) -> ClaimedTask:
    """Insert and claim a task."""
    await a_task(db, team)
    (task,) = await claim(db, **options)
    return task


def a_clip(task: ClaimedTask, item: int = 0) -> dict[str, Any]:
    """Column values of one stored output."""
    return {
        "item": item,
        "public_key": f"audio/{uuid4().hex}.wav",
        "storage_key": f"o/{task.team_id}/{task.id}/{task.attempt}/{item}.wav",
        "ext": "wav",
        "mime": "audio/wav",
        "bytes": 100,
        "sha256": "0" * 64,
        "duration_s": 10.0,
        "sample_rate": 48000,
        "seed": 1,
    }


async def a_stored_input(store: ObjectStore, path: Path, *, role: str = "source") -> dict[str, Any]:
    """Put a file into the store; returns its entry in a task's inputs."""
    content = path.read_bytes()
    name = uuid4().hex
    sha256 = hashlib.sha256(content).hexdigest()
    await store.put_file(f"i/1/{name}.bin", path, sha256=sha256, mime="application/octet-stream")
    return {
        "role": role,
        "origin": "upload",
        "path": f"audio/{name}.bin",
        "storage_key": f"i/1/{name}.bin",
        "sha256": sha256,
        "bytes": len(content),
        "duration": None,
    }


async def give_inputs(
    url: str, task_id: str, inputs: Sequence[dict[str, Any]], *, task_type: str, **params: Any
) -> None:
    """Make a waiting task one that works on stored audio."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("UPDATE tasks SET task_type = $2 WHERE id = $1", task_id, task_type)
            await connection.execute(
                "UPDATE task_params SET inputs = $2, params = params || $3 "
                "WHERE task_seq = (SELECT seq FROM tasks WHERE id = $1)",
                task_id,
                json.dumps(inputs),
                json.dumps({"task_type": task_type, **params}),
            )
    finally:
        await connection.close()


async def a_team(url: str, name: str, **limits: Any) -> TeamId:
    """Insert a team with its counters."""
    columns = ["name", *limits]
    connection = await asyncpg.connect(url)
    try:
        places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
        team_id = await connection.fetchval(
            f"INSERT INTO teams ({', '.join(columns)}) VALUES ({places}) RETURNING id",  # noqa: S608
            name,
            *limits.values(),
        )
        await connection.execute("INSERT INTO team_state (team_id) VALUES ($1)", team_id)
    finally:
        await connection.close()
    return TeamId(team_id)


async def a_worker_elsewhere(db: Database, *models: str, language_model: str | None = None) -> None:
    """Report a worker that offers these models, and takes no tasks."""
    offered = [{"name": model, "category": "turbo", "tasks": []} for model in models]
    if language_model:
        offered.append({"name": language_model, "category": "lm", "tasks": []})
    report = WorkerReport(
        id=uuid4(),
        host="h",
        pid=1,
        version="1",
        state="ready",
        slots=1,
        models=offered,
        loaded=[],
        device="cpu",
    )
    async with db.autocommit() as work:
        await work.workers.report(report)


async def plain_kinds() -> Sequence[str]:
    """What every worker decodes."""
    return PLAIN_KINDS


def uploads_below(folder: Path, db: Database, *, max_bytes: int = 1_000_000) -> Uploads:
    """Inputs of tasks, stored below a folder; files of `inputs` there may be named by their path."""
    return Uploads(
        db,
        FolderStore(folder / "objects"),
        spool_dir=folder / "spool",
        input_dirs=[folder / "inputs"],
        kinds=plain_kinds,
        max_bytes=max_bytes,
        max_seconds=600,
    )
