"""What operators see over HTTP, and what they switch."""

import asyncio
from typing import Any
from uuid import uuid4

from app.db.engine import Database
from app.db.tasks import Actor
from app.db.workers import WorkerReport
from tests.builders import MODEL, WORKER, claim
from tests.integration.api.conftest import World


async def shown(world: World, verb: str, url: str) -> Any:
    response = await world.as_admin(verb, url)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def a_worker(db: Database, *, state: str = "ready") -> str:
    async with db.autocommit() as work:
        await work.workers.report(
            WorkerReport(
                id=WORKER,
                host="gpu-1",
                pid=7,
                version="1",
                state=state,
                slots=2,
                models=[{"name": MODEL}],
                loaded=[MODEL],
                device="cpu",
            )
        )
    return str(WORKER)


async def test_the_status_counts_what_lives_and_what_has_ended(world: World, db: Database) -> None:
    await claim(db)
    status = await shown(world, "GET", "/v1/admin/status")
    assert (status["paused"], status["queue"]["size"], status["queue"]["max"]) == (False, 1, 200)
    assert status["queue"]["oldest_seconds"] >= 0
    loads = {load["name"]: (load["queued"], load["running"]) for load in status["teams"]}
    assert sorted(loads) == ["team-a", "team-b"]
    assert sorted(loads.values()) == [(0, 1), (1, 0)]
    (model,) = status["models"]
    assert (model["name"], model["queued"], model["running"]) == (MODEL, 1, 1)
    stages = {load["name"]: (load["queued"], load["running"]) for load in status["stages"]}
    assert stages == {"queued": (1, 0), "loading": (0, 1)}
    assert all(load["oldest_seconds"] is not None for load in status["stages"])
    assert status["last_hour"] == {"succeeded": 2, "failed": 0, "cancelled": 0}
    assert (status["redis"], status["store"]) == ("ok", "ok")


async def test_the_last_hour_has_every_kind_of_end(world: World, db: Database) -> None:
    (task,) = await claim(db)
    actor = Actor(kind="worker")
    async with db.autocommit() as work:
        await work.tasks.fail_or_retry(
            task.id,
            1,
            actor=actor,
            code="internal",
            message="x",
            trace=None,
            max_failures=1,
            gpu_seconds=0.0,
        )
        waiting = world.b.waiting if task.id == world.a.waiting else world.a.waiting
        for tenant in (world.a, world.b):
            headers = tenant.headers
            await world.client.post(f"/v1/tasks/{waiting}/cancel", headers=headers)
    status = await shown(world, "GET", "/v1/admin/status")
    assert status["last_hour"] == {"succeeded": 2, "failed": 1, "cancelled": 1}
    assert (status["teams"], status["queue"]["size"], status["queue"]["oldest_seconds"]) == ([], 0, None)


async def test_a_paused_queue_takes_tasks_but_starts_none(world: World, db: Database) -> None:
    for _ in range(2):
        assert await shown(world, "POST", "/v1/admin/queue/pause") == {"paused": True}
    assert (await shown(world, "GET", "/v1/admin/status"))["paused"]
    assert (await world.client.post("/release_task", json={}, headers=world.a.headers)).status_code == 200
    assert await claim(db) == []
    assert await shown(world, "POST", "/v1/admin/queue/resume") == {"paused": False}
    assert len(await claim(db)) == 1
    log = (await shown(world, "GET", "/v1/admin/audit?limit=3"))["items"]
    assert [entry["action"] for entry in log][:2] == ["queue.resumed", "queue.paused"]
    assert log[2]["action"] == "key.created", "a repetition is no change"


async def test_pauses_at_once_are_one_change(world: World) -> None:
    for verb in ("resume", "pause", "resume"):
        await asyncio.gather(*(shown(world, "POST", f"/v1/admin/queue/{verb}") for _ in range(6)))
    log = (await shown(world, "GET", "/v1/admin/audit"))["items"]
    actions = [entry["action"] for entry in log if entry["object"] == "queue"]
    assert actions == ["queue.resumed", "queue.paused"], "what was not paused is not resumed"


async def test_a_worker_is_shown_with_its_tasks_and_drained(world: World, db: Database) -> None:
    id_ = await a_worker(db)
    (task,) = await claim(db)
    (worker,) = (await shown(world, "GET", "/v1/admin/workers"))["items"]
    assert (worker["id"], worker["host"], worker["state"], worker["alive"]) == (id_, "gpu-1", "ready", True)
    assert (worker["loaded"], worker["task_ids"], worker["drain_requested"]) == (
        [MODEL],
        [str(task.id)],
        False,
    )
    for _ in range(2):
        drained = await shown(world, "POST", f"/v1/admin/workers/{id_}/drain")
        assert drained == {"id": id_, "drain_requested": True}
    async with db.autocommit() as work:
        (seen,) = await work.operations.workers(lease_s=30, after=None, most=5)
    assert seen.drain_requested
    log = (await shown(world, "GET", "/v1/admin/audit?limit=2"))["items"]
    assert (log[0]["action"], log[0]["object"]) == ("worker.drained", f"worker {id_}")
    assert log[1]["action"] == "key.created"


async def test_what_does_not_exist_is_404(world: World) -> None:
    for id_ in (str(uuid4()), "none"):
        for verb, url in (
            ("POST", f"/v1/admin/workers/{id_}/drain"),
            ("GET", f"/v1/admin/tasks/{id_}/traceback"),
            ("GET", f"/v1/teams/{id_}"),
            ("PATCH", f"/v1/teams/{id_}"),
        ):
            assert (await world.as_admin(verb, url)).status_code == 404, url


async def test_a_worker_that_has_ended_is_not_drained(world: World, db: Database) -> None:
    id_ = await a_worker(db, state="gone")
    assert (await world.as_admin("POST", f"/v1/admin/workers/{id_}/drain")).status_code == 404
    (worker,) = (await shown(world, "GET", "/v1/admin/workers"))["items"]
    assert not worker["alive"]


async def test_a_traceback_is_shown_to_admins_only(world: World, db: Database) -> None:
    (task,) = await claim(db)
    async with db.autocommit() as work:
        await work.tasks.fail_or_retry(
            task.id,
            1,
            actor=Actor(kind="worker"),
            code="internal",
            message="broken",
            trace="Traceback: line 1",
            max_failures=2,
            gpu_seconds=0.0,
        )
    url = f"/v1/admin/tasks/{task.id}/traceback"
    shown_ = await shown(world, "GET", url)
    assert shown_["id"] == str(task.id)
    (trace,) = shown_["tracebacks"]
    assert (trace["attempt"], trace["code"], trace["traceback"]) == (1, "internal", "Traceback: line 1")
    for tenant in (world.a, world.b):
        assert (await world.client.get(url, headers=tenant.headers)).status_code == 403
        record = await world.client.get(f"/v1/tasks/{task.id}", headers=tenant.headers)
        assert "Traceback" not in record.text
    assert (await shown(world, "GET", f"/v1/admin/tasks/{world.a.done}/traceback"))["tracebacks"] == []


async def test_the_audit_log_is_read_page_by_page(world: World) -> None:
    whole = (await shown(world, "GET", "/v1/admin/audit"))["items"]
    actions = [entry["action"] for entry in whole]
    made = ["webhook.created", "key.created", "team.created"]
    assert actions == ["key.created", *made, *made]
    pages, cursor = [], ""
    while cursor is not None:
        page = await shown(world, "GET", f"/v1/admin/audit?limit=2{cursor and '&cursor=' + cursor}")
        pages.append(page["items"])
        cursor = page["next_cursor"]
    assert [entry for page in pages for entry in page] == whole
    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert world.admin.text not in str(whole)
