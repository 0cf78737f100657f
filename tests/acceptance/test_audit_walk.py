"""An auditor's walk: from the hash of a file to everything that made it, and to the same bytes once more."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import Installation
from tests.acceptance.test_teams_and_keys import tell

pytestmark = pytest.mark.inference

AUDITOR = {"authorization": "the-key-of-the-operator"}
SONG = {
    "prompt": "a short song",
    "lyrics": "la la la",
    "audio_duration": 10,
    "inference_steps": 1,
    "bpm": 999,
    "batch_size": 2,
    "audio_format": "wav",
    "labels": {"project": "walk"},
}


async def data(client: httpx.AsyncClient, method: str, path: str, **request: Any) -> Any:
    response = await client.request(method, path, **request)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def ended(client: httpx.AsyncClient, task_id: str, headers: dict[str, str]) -> Any:
    """The record of a task, as soon as it has succeeded."""
    async with asyncio.timeout(60):
        while True:
            record = await data(client, "GET", f"/v1/tasks/{task_id}", headers=headers)
            assert record["state"] in ("queued", "running", "succeeded"), record["error"]
            if record["state"] == "succeeded":
                return record
            await asyncio.sleep(0.1)


async def clips(client: httpx.AsyncClient, record: Any, headers: dict[str, str]) -> list[bytes]:
    return [(await client.get(each["file"], headers=headers)).content for each in record["outputs"]]


def check_account(record: Any) -> None:
    """The worker's account says all that it takes to make the clips again."""
    effective, audit = record["effective"], record["audit"]
    assert effective["seeds"] == record["seeds"]
    assert (effective["duration"], effective["steps"], effective["infer_method"]) == (10.0, 1, "ode")
    assert (effective["task_type"], effective["audio_format"]) == ("text2music", "wav")
    assert (audit["model"], audit["dtype"], audit["compiled"]) == ("acestep-tiny-random", "float32", "no")
    assert audit["threads"] >= 1
    lines = "".join(f"{audit['files'][path]}  {path}\n" for path in sorted(audit["files"]))
    assert hashlib.sha256(lines.encode()).hexdigest() == record["dit_model"]["sha256"]
    (batch,) = audit["batches"]
    assert (batch["items"], batch["rows"], batch["latent_frames"]) == (2, 2, 250)
    assert len(batch["prompt_and_lyrics_tokens"]) == 2
    assert [len(tokens) for tokens in batch["condition_tokens"]] == [2], "one condition for all steps"
    assert set(record["stage_seconds"]) >= {"diffusing", "decoding"}
    assert "/" not in str(audit["repo"] or "")


async def test_from_a_file_to_its_task_and_to_the_same_bytes(
    installation: Installation, tmp_path: Path
) -> None:
    async with (
        installation.running(ACESTEP_API_KEY=AUDITOR["authorization"]),
        httpx.AsyncClient(base_url=installation.url, trust_env=False, timeout=30) as client,
    ):
        team = await tell(installation, "team", "create", "studio")
        key = await tell(installation, "key", "create", "studio", "--name", "laptop")
        studio = {"authorization": f"Bearer {key['key']}"}
        submitted = await data(client, "POST", "/release_task", json=SONG, headers=studio)
        made = await ended(client, submitted["task_id"], studio)
        (tmp_path / "clip.wav").write_bytes((await clips(client, made, studio))[1])

        # All that the auditor has is the file.
        digest = hashlib.sha256((tmp_path / "clip.wav").read_bytes()).hexdigest()
        found = await data(client, "GET", f"/v1/tasks?sha256={digest}", headers=AUDITOR)
        (item,) = found["items"]
        assert (item["id"], item["team_id"], item["key_prefix"]) == (made["id"], team["id"], key["prefix"])
        record = await data(client, "GET", f"/v1/tasks/{item['id']}", headers=AUDITOR)
        assert (record["team_id"], record["key_id"]) == (team["id"], key["id"])
        assert (record["key_prefix"], record["labels"]) == (key["prefix"], {"project": "walk"})
        assert record["parameters_raw"] == SONG
        assert (record["parameters"]["prompt"], record["parameters"]["bpm"]) == ("a short song", 300)
        assert record["adjustments"][0] == {
            "field": "bpm",
            "given": 999,
            "used": 300,
            "reason": "the maximum is 300",
        }
        assert record["parameters"]["seed"] == record["seeds"]
        assert [each["seed"] for each in record["outputs"]] == record["seeds"]
        assert record["outputs"][1]["sha256"] == digest
        assert (record["dit_model"]["name"], len(record["dit_model"]["sha256"])) == (
            "acestep-tiny-random",
            64,
        )
        assert {name for name, value in record["versions"].items() if value} >= {
            *("service", "python", "torch", "diffusers", "transformers", "device"),
        }
        check_account(record)
        assert [each["outcome"] for each in record["attempts"]] == ["succeeded"]
        assert [each["type"] for each in record["events"]][:2] == ["queued", "claimed"]
        assert record["events"][0]["actor"] == key["prefix"]

        again = await data(client, "POST", f"/v1/tasks/{item['id']}/rerun", headers=AUDITOR)
        repeated = await ended(client, again["task_id"], AUDITOR)
        assert (repeated["parent_id"], repeated["parent_relation"]) == (item["id"], "rerun")
        assert repeated["team_id"] == team["id"]
        assert repeated["parameters"] == record["parameters"]
        assert (repeated["effective"], repeated["audit"]) == (record["effective"], record["audit"])
        both = [await clips(client, each, studio) for each in (record, repeated)]
        assert both[0] == both[1], "the same bytes"
        found = await data(client, "GET", f"/v1/tasks?sha256={digest}", headers=studio)
        assert [each["id"] for each in found["items"]] == [repeated["id"], made["id"]]
