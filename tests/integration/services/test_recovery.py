"""The sweeper takes back what is lost and removes what nobody owns, and nothing else."""

import hashlib
from pathlib import Path
from uuid import uuid4

import asyncpg

from app.db.engine import Database
from app.db.tasks import Actor
from app.domain.task import TaskStatus, TeamId
from app.services.lifecycle import Lifecycle
from app.services.recovery import Recovery
from app.storage.folder import FolderStore
from tests.builders import MODEL, WORKER, a_clip, a_running_task, a_task
from tests.fakes import ListeningDoorbell


async def test_an_expired_lease_is_taken_back_and_rung_for(db: Database, team: TeamId) -> None:
    doorbell = ListeningDoorbell()
    task = await a_running_task(db, team, lease_s=0.001)
    lost = await Recovery(db, doorbell, max_crashes=3, lease_s=0).sweep()
    assert [(row.id, row.status) for row in lost] == [(task.id, TaskStatus.QUEUED)]
    assert task.id in doorbell.rung


async def test_only_one_sweeper_works_at_a_time(db: Database, team: TeamId) -> None:
    await a_running_task(db, team, lease_s=0.001)
    recovery = Recovery(db, ListeningDoorbell(), max_crashes=3, lease_s=0)
    async with db.transaction() as work:
        assert await work.sweeps.try_lock()
        assert await recovery.sweep() == []
    assert len(await recovery.sweep()) == 1


async def test_a_ring_that_got_lost_is_repeated(db: Database, team: TeamId, database_url: str) -> None:
    doorbell = ListeningDoorbell()
    task = await a_task(db, team)
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE tasks SET run_after = now() - interval '10 s'")
    await connection.close()
    await Recovery(db, doorbell, max_crashes=3, lease_s=0).sweep()
    assert doorbell.rung == [task]


async def test_the_tasks_of_a_dead_process_are_taken_back_at_once(db: Database, team: TeamId) -> None:
    from app.db.workers import WorkerReport

    report = WorkerReport(
        id=WORKER, host="h", pid=7, version="1", state="ready", slots=1, models=[], loaded=[], device="cpu"
    )
    async with db.autocommit() as work:
        await work.workers.report(report)
    task = await a_running_task(db, team, lease_s=600)
    recovery = Recovery(db, ListeningDoorbell(), max_crashes=3, lease_s=0)
    assert await recovery.worker_died("h", 8) == []
    assert [row.id for row in await recovery.worker_died("h", 7)] == [task.id]


async def test_orphans_go_and_owned_objects_stay(db: Database, team: TeamId, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "objects")
    content = tmp_path / "clip.wav"
    content.write_bytes(b"x" * 100)
    digest = hashlib.sha256(b"x" * 100).hexdigest()
    task = await a_running_task(db, team)
    owned = a_clip(task) | {"sha256": digest}
    orphan = f"o/{team}/{task.id}/9/0.wav"
    for key in (owned["storage_key"], orphan):
        await store.put_file(key, content, sha256=digest, mime="audio/wav")
    async with db.autocommit() as work:
        await work.tasks.succeed(
            task.id, 1, actor=Actor(kind="worker"), result={}, clips=[owned], gpu_seconds=0
        )
    recovery = Recovery(db, ListeningDoorbell(), max_crashes=3, lease_s=0, store=store)
    assert await recovery.remove_orphans() == 0, "a young object may still get its row"
    assert await recovery.remove_orphans(older_than_s=0) == 1
    assert [item.key async for item in store.list("o/")] == [owned["storage_key"]]


async def test_objects_of_a_task_that_this_database_does_not_know_stay(db: Database, tmp_path: Path) -> None:
    """Another database may use the same store."""
    store = FolderStore(tmp_path / "objects")
    content = tmp_path / "clip.wav"
    content.write_bytes(b"x")
    digest = hashlib.sha256(b"x").hexdigest()
    await store.put_file(f"o/1/{uuid4()}/1/0.wav", content, sha256=digest, mime="audio/wav")
    recovery = Recovery(db, ListeningDoorbell(), max_crashes=3, lease_s=0, store=store)
    assert await recovery.remove_orphans(older_than_s=0) == 0


async def test_an_object_of_a_running_attempt_stays(db: Database, team: TeamId, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "objects")
    content = tmp_path / "clip.wav"
    content.write_bytes(b"x")
    task = await a_running_task(db, team)
    key = a_clip(task)["storage_key"]
    await store.put_file(key, content, sha256=hashlib.sha256(b"x").hexdigest(), mime="audio/wav")
    recovery = Recovery(db, ListeningDoorbell(), max_crashes=3, lease_s=0, store=store)
    assert await recovery.remove_orphans(older_than_s=0) == 0


async def test_after_a_restart_of_the_database_holders_get_a_lease_to_come_back(
    db: Database, team: TeamId
) -> None:
    await a_running_task(db, team, lease_s=0.001)
    assert await Recovery(db, ListeningDoorbell(), max_crashes=3, lease_s=1e6).sweep() == []


async def test_workers_that_died_while_nobody_watched_lose_their_tasks(db: Database, team: TeamId) -> None:
    from app.db.workers import WorkerReport

    for worker_id, pid in ((WORKER, 7), (uuid4(), 8)):
        report = WorkerReport(
            id=worker_id,
            host="h",
            pid=pid,
            version="1",
            state="ready",
            slots=1,
            models=[],
            loaded=[],
            device="cpu",
        )
        async with db.autocommit() as work:
            await work.workers.report(report)
    task = await a_running_task(db, team, lease_s=600)
    recovery = Recovery(db, ListeningDoorbell(), max_crashes=3, lease_s=600)
    await recovery.workers_died("h", is_alive=lambda pid: pid == 8)
    async with db.autocommit() as work:
        assert (await work.views.by_ids(team, [task.id]))[task.id].status is TaskStatus.QUEUED
        assert not await work.workers.is_ready("h", 7)
        assert await work.workers.is_ready("h", 8)


async def test_a_claim_whose_answer_was_lost_is_released(db: Database, team: TeamId) -> None:
    lifecycle = Lifecycle(db, ListeningDoorbell(), worker_id=WORKER, lease_s=30, max_crashes=3)
    lost = await a_running_task(db, team)
    known = await a_running_task(db, team)
    await lifecycle.release_unknown({(known.id, known.attempt)})
    async with db.autocommit() as work:
        early = await work.views.by_ids(team, [lost.id])
    assert early[lost.id].status is TaskStatus.RUNNING, "its answer may still be on the way"
    await lifecycle.release_unknown({(known.id, known.attempt)}, age_s=0)
    async with db.autocommit() as work:
        views = await work.views.by_ids(team, [lost.id, known.id])
    assert views[lost.id].status is TaskStatus.QUEUED
    assert views[known.id].status is TaskStatus.RUNNING


async def test_a_finish_whose_answer_was_lost_counts_as_done(db: Database, team: TeamId) -> None:
    task = await a_running_task(db, team)
    lifecycle = Lifecycle(db, ListeningDoorbell(), worker_id=WORKER, lease_s=30, max_crashes=3)
    clips = [a_clip(task)]
    assert await lifecycle.succeed(task, result={}, clips=clips, gpu_seconds=0)
    assert await lifecycle.succeed(task, result={}, clips=clips, gpu_seconds=0), "the row says it was mine"
    other = Lifecycle(db, ListeningDoorbell(), worker_id=uuid4(), lease_s=30, max_crashes=3)
    late = type(task)(**{**{name: getattr(task, name) for name in task.__slots__}, "attempt": 2})
    assert not await other.succeed(late, result={}, clips=clips, gpu_seconds=0)
    assert await lifecycle.claim([MODEL]) is None


async def test_a_task_whose_model_nobody_offers_fails_after_a_while(
    db: Database, team: TeamId, database_url: str
) -> None:
    from app.db.workers import WorkerReport

    await a_task(db, team, model="acestep-gone")
    served = await a_task(db, team)
    report = WorkerReport(
        id=WORKER,
        host="h",
        pid=7,
        version="1",
        state="ready",
        slots=1,
        models=[{"name": MODEL, "category": "turbo"}],
        loaded=[],
        device="cpu",
    )
    async with db.autocommit() as work:
        await work.workers.report(report)
    patient = Recovery(db, ListeningDoorbell(), max_crashes=3, lease_s=30, model_wait_s=900)
    connection = await asyncpg.connect(database_url)
    await patient.sweep()
    assert await connection.fetchval("SELECT count(*) FROM tasks WHERE status = 'queued'") == 2
    await connection.execute("UPDATE tasks SET run_after = now() - interval '20 min'")
    await patient.sweep()
    rows = await connection.fetch("SELECT id, status, error_code, error_message FROM tasks ORDER BY seq")
    await connection.close()
    assert tuple(rows[0])[1:] == ("failed", "model_unavailable", "no worker offers the model acestep-gone")
    assert (rows[1]["id"], rows[1]["status"]) == (served, "queued")
