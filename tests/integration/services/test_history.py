"""The audit record of tasks in every state: all fields, paired attempts, nothing private."""

import re
from typing import Any

import asyncpg
import msgspec
import pytest

from app.db.engine import Database
from app.db.tasks import Actor, Beat, ClaimedTask
from app.domain.errors import NotFoundError
from app.domain.task import TaskId, TeamId
from app.services.history import History
from tests.builders import WORKER, a_clip, a_running_task, a_task, claim

ACTOR = Actor(kind="worker", id=str(WORKER))
SWEEPER = Actor(kind="sweeper")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
FIELDS = {
    "adjustments",
    "attempts",
    "client",
    "content_type",
    "created_at",
    "deleted_at",
    "dit_model",
    "error",
    "error_code",
    "events",
    "expires_at",
    "finished_at",
    "id",
    "idempotency_key",
    "inputs",
    "key_id",
    "key_prefix",
    "labels",
    "legal_hold",
    "lm",
    "lm_model",
    "lm_seed",
    "model_requested",
    "outputs",
    "parameters",
    "parameters_raw",
    "parent_id",
    "parent_relation",
    "priority",
    "progress",
    "queue_position",
    "queued_seconds",
    "request_id",
    "run_seconds",
    "seeds",
    "started_at",
    "state",
    "status",
    "task_type",
    "team_id",
    "use_random_seed",
    "versions",
    "effective",
    "audit",
    "stage_seconds",
}
RESULT = {
    "items": [{"index": 0, "channels": 2}],
    "dit_model": {"name": "acestep-tiny-random", "revision": "r1", "sha256": "ab"},
    "lm_model": None,
    "audit": {
        "service": "0.1.0",
        "device": "cpu (x86_64)",
        "dtype": "float32",
        "attention_backend": "native",
        "offload": "none",
        "compiled": "no",
        "versions": {
            "python": "3.11",
            "torch": "2.13",
            "diffusers": "0.42",
            "transformers": "5.16",
            "cuda": None,
        },
    },
    "peak_memory_bytes": 123,
    "effective": {"steps": 8, "seeds": [1], "duration": 10.0},
    "seconds": {"diffusing": 0.5},
}


async def read(db: Database, team: TeamId, task_id: TaskId) -> dict[str, Any]:
    """The record as a client gets it."""
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(await History(db)(team, task_id)))
    return decoded


async def fail(db: Database, task: ClaimedTask, *, max_failures: int) -> None:
    async with db.autocommit() as work:
        await work.tasks.fail_or_retry(
            task.id,
            task.attempt,
            actor=ACTOR,
            code="gpu_out_of_memory",
            message="not enough memory",
            trace="Traceback: /srv/secret.py",
            max_failures=max_failures,
            gpu_seconds=0.5,
        )


async def test_a_waiting_task_has_every_field_and_its_place(db: Database, team: TeamId) -> None:
    first, second = await a_task(db, team), await a_task(db, team, priority=2, bpm=120)
    record = await read(db, team, first)
    assert set(record) == FIELDS
    assert (record["state"], record["status"], record["queue_position"]) == ("queued", 0, 2)
    assert (await read(db, team, second))["queue_position"] == 1, "the higher priority is ahead"
    assert (await read(db, team, second))["parameters"]["bpm"] == 120
    assert TIME.fullmatch(record["created_at"])
    assert record["dit_model"] == {"name": "acestep-tiny-random", "revision": None, "sha256": None}
    assert set(record["versions"].values()) == {None}
    for unset in (
        "started_at",
        "finished_at",
        "run_seconds",
        "progress",
        "lm",
        "lm_model",
        "error",
        "key_id",
    ):
        assert record[unset] is None, unset
    assert record["attempts"] == record["outputs"] == record["inputs"] == record["adjustments"] == []
    assert record["effective"] == record["audit"] == record["stage_seconds"] == {}
    (event,) = record["events"]
    assert (event["type"], event["actor"], event["detail"]) == ("queued", "client", {"position": 1})


async def test_a_running_task_tells_its_progress(db: Database, team: TeamId) -> None:
    task = await a_running_task(db, team)
    beat = Beat(
        id=task.id,
        attempt=1,
        progress=0.5,
        stage="diffusing",
        progress_text="dit diffusion: step 4/8",
        stage_changed=True,
    )
    async with db.autocommit() as work:
        await work.tasks.heartbeat([beat], worker_id=WORKER, lease_s=30)
    record = await read(db, team, task.id)
    progress = record["progress"]
    assert (progress["progress"], progress["stage"], progress["step"], progress["steps"]) == (
        0.5,
        "diffusing",
        4,
        8,
    )
    assert progress["eta_seconds"] >= 0
    (attempt,) = record["attempts"]
    assert (attempt["number"], attempt["worker_id"], attempt["outcome"]) == (1, str(WORKER), None)
    assert [(event["type"], event["actor"]) for event in record["events"]] == [
        ("queued", "client"),
        ("claimed", str(WORKER)),
        ("stage", str(WORKER)),
    ]


async def test_codes_are_text_in_the_record_and_no_burden_of_a_poll(db: Database, team: TeamId) -> None:
    task = await a_running_task(db, team)
    language = {
        "caption": "bright pop",
        "lyrics": "",
        "metas": {"bpm": 97},
        "codes": [[1, 2], [63_999, 0]],
        "backend_requested": "vllm",
        "backend_used": "pt",
        "fallback": "vllm is not installed",
        "parameters": {"temperature": 0.85},
        "phases": [{"name": "codes", "backend": "pt", "seeds": [1, 2], "tokens": 4, "text": ""}],
        "notes": ["a note"],
    }
    async with db.autocommit() as work:
        assert await work.tasks.succeed(
            task.id, 1, actor=ACTOR, result=RESULT | {"lm": language}, clips=[a_clip(task)], gpu_seconds=1.5
        )
        polled = (await work.views.by_ids(team, [task.id]))[task.id].result
    texts = ["<|audio_code_1|><|audio_code_2|>", "<|audio_code_63999|><|audio_code_0|>"]
    assert (await read(db, team, task.id))["lm"] == language | {"codes": texts}
    assert polled is not None
    assert polled["items"] == RESULT["items"]
    assert polled["lm"] == {name: value for name, value in language.items() if name != "codes"}


async def test_attempts_are_paired_with_what_became_of_them(
    db: Database, team: TeamId, database_url: str
) -> None:
    task = await a_running_task(db, team)
    await fail(db, task, max_failures=2)
    await ready(database_url)
    (second,) = await claim(db)
    async with db.autocommit() as work:
        assert await work.tasks.release(second.id, second.attempt, actor=ACTOR)
    (third,) = await claim(db, lease_s=-1)
    async with db.autocommit() as work:
        assert await work.tasks.lose_expired(actor=SWEEPER, max_crashes=3, lease_s=0)
    await ready(database_url)
    (fourth,) = await claim(db)
    async with db.autocommit() as work:
        assert await work.tasks.succeed(
            fourth.id, 4, actor=ACTOR, result=RESULT, clips=[a_clip(fourth)], gpu_seconds=1.5
        )
    record = await read(db, team, task.id)
    told = [
        (each["number"], each["outcome"], each["error_code"], each["error"]) for each in record["attempts"]
    ]
    assert told == [
        (1, "failed", "gpu_out_of_memory", "not enough memory"),
        (2, "released", None, None),
        (3, "lease_expired", "worker_lost", "lease expired"),
        (4, "succeeded", None, None),
    ]
    assert [each["gpu_seconds"] for each in record["attempts"]] == [0.5, None, None, 1.5]
    assert [each["peak_memory_bytes"] for each in record["attempts"]] == [None, None, None, 123]
    for each in record["attempts"]:
        assert TIME.fullmatch(each["started_at"])
        assert TIME.fullmatch(each["finished_at"])
    kinds = [event["type"] for event in record["events"]]
    assert kinds.index("heartbeat_lost") < len(kinds) - 1 - kinds[::-1].index("requeued")
    assert third.attempt == 3


async def test_a_finished_task_names_its_clips_models_and_versions(db: Database, team: TeamId) -> None:
    task = await a_running_task(db, team)
    clip = a_clip(task)
    async with db.autocommit() as work:
        await work.tasks.succeed(task.id, 1, actor=ACTOR, result=RESULT, clips=[clip], gpu_seconds=1.0)
    record = await read(db, team, task.id)
    assert record["outputs"] == [
        {
            "index": 0,
            "seed": 1,
            "path": clip["public_key"],
            "file": "/v1/audio?path=" + clip["public_key"].replace("/", "%2F"),
            "sha256": clip["sha256"],
            "bytes": 100,
            "format": "wav",
            "sample_rate": 48000,
            "channels": 2,
            "duration": 10.0,
            "available": True,
        }
    ]
    assert record["dit_model"] == RESULT["dit_model"]
    assert record["versions"] == {
        "service": "0.1.0",
        "python": "3.11",
        "torch": "2.13",
        "diffusers": "0.42",
        "transformers": "5.16",
        "vllm": None,
        "cuda": None,
        "device": "cpu (x86_64)",
        "dtype": "float32",
        "attention_backend": "native",
        "offload": "none",
        "compiled": "no",
    }
    assert record["effective"] == RESULT["effective"]
    assert record["audit"] == RESULT["audit"]
    assert record["stage_seconds"] == RESULT["seconds"]
    assert record["run_seconds"] >= 0
    assert record["queue_position"] is None


async def test_a_failed_task_keeps_its_traceback_to_itself(db: Database, team: TeamId) -> None:
    task = await a_running_task(db, team)
    await fail(db, task, max_failures=1)
    record = await read(db, team, task.id)
    assert (record["state"], record["error_code"], record["error"]) == (
        "failed",
        "gpu_out_of_memory",
        "not enough memory",
    )
    assert "Traceback" not in str(record)
    assert record["events"][-1]["detail"] == {
        "code": "gpu_out_of_memory",
        "message": "not enough memory",
        "gpu_seconds": 0.5,
        "attempt": 1,
    }


async def test_erased_tasks_are_shown_to_admins_only(db: Database, team: TeamId, database_url: str) -> None:
    task_id = await a_task(db, team)
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE tasks SET deleted_at = now()")
    await connection.execute("DELETE FROM task_params")
    await connection.close()
    with pytest.raises(NotFoundError):
        await History(db)(team, task_id)
    record = await History(db)(None, task_id)
    assert record.deleted_at is not None
    assert record.parameters == record.parameters_raw == {}


async def ready(database_url: str) -> None:
    """Make tasks that wait for their next try ready now."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE tasks SET run_after = now() WHERE status = 'queued'")
    await connection.close()
