"""What real programs depend on, one test a program: request shapes written by hand from their public code.

Programs and versions: docs/architecture.md names the contract; each test names its program.
"""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
import requests

from tests.acceptance.conftest import Installation
from tests.acceptance.test_client_flow import wait
from tests.acceptance.test_seed_examples import a_song

pytestmark = pytest.mark.inference

UNKNOWN = "550e8400-e29b-41d4-a716-446655440000"


def post(base: str, path: str, **options: Any) -> requests.Response:
    return requests.post(f"{base}{path}", timeout=30, **options)


@pytest.fixture(scope="module")
def finished(service: Installation) -> dict[str, Any]:
    """One finished task, as its `/query_result` entry."""
    body = {"prompt": "x", "audio_duration": 10, "batch_size": 1, "audio_format": "flac"}
    task_id = post(service.url, "/release_task", json=body).json()["data"]["task_id"]
    wait(service.url, task_id)
    entry: dict[str, Any] = post(service.url, "/query_result", json={"task_id_list": [task_id]}).json()[
        "data"
    ][0]
    return entry


@pytest.fixture(scope="module")
def failed(service: Installation) -> dict[str, Any]:
    """An unknown task: to a poller it looks like a failed one."""
    data = post(service.url, "/query_result", json={"task_id_list": [UNKNOWN]}).json()["data"]
    entry: dict[str, Any] = data[0]
    return entry


def test_acestep_sh(service: Installation, finished: dict[str, Any], failed: dict[str, Any]) -> None:
    """JSON with a charset; polls without an end; joins base and file; no redirects; a lost file is no 200."""
    response = requests.post(
        f"{service.url}/release_task",
        data=json.dumps({"prompt": "x", "audio_duration": 10}).encode(),
        headers={"Content-Type": "application/json; charset=utf-8", "Authorization": "Bearer whatever"},
        timeout=30,
    )
    assert response.status_code == 200
    assert failed["status"] == 2, "an unknown id ends the loop"
    url = service.url + json.loads(finished["result"])[0]["file"]
    got = requests.get(url, headers={"Authorization": "Bearer whatever"}, timeout=30, allow_redirects=False)
    assert (got.status_code, got.content[:4]) == (200, b"fLaC")
    assert requests.get(url[:-6] + "0.flac", timeout=30).status_code == 404


def test_studio(service: Installation, finished: dict[str, Any]) -> None:
    """A page from a file: origin `null`, preflight, `code === 200`, ranges, readable errors, no key."""
    preflight = requests.options(
        f"{service.url}/release_task",
        headers={
            "Origin": "null",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,authorization",
        },
        timeout=30,
    )
    assert preflight.status_code in (200, 204)
    assert preflight.headers["Access-Control-Allow-Origin"] in ("*", "null")
    assert "authorization" in preflight.headers["Access-Control-Allow-Headers"].lower()
    assert type(finished["status"]) is int
    audio = requests.get(
        service.url + json.loads(finished["result"])[0]["file"],
        headers={"Origin": "null", "Range": "bytes=0-"},
        timeout=30,
    )
    assert audio.status_code == 206
    assert audio.headers["Access-Control-Allow-Origin"] in ("*", "null")
    wrong = post(service.url, "/release_task", json={"task_type": "sing"}, headers={"Origin": "null"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, 400)
    assert wrong.json()["error"]
    assert wrong.headers["Access-Control-Allow-Origin"] in ("*", "null")


def test_studio_pro(service: Installation, finished: dict[str, Any]) -> None:
    """Multipart without files, all values text; prefers a `url` key, so there must be none."""
    fields = {
        "prompt": "x",
        "lyrics": "",
        "thinking": "false",
        "batch_size": "1",
        "audio_duration": "10",
        "repainting_end": "-1",
        "seed": "-1",
        "use_random_seed": "true",
        "bpm": "null",
    }
    response = post(service.url, "/release_task", files={name: (None, text) for name, text in fields.items()})
    assert response.status_code == 200, response.text
    (item,) = wait(service.url, response.json()["data"]["task_id"])
    assert 30 <= item["metas"]["bpm"] <= 300, "not given: the language model's"
    assert "url" not in json.loads(finished["result"])[0]


def test_ace_step_daw(service: Installation, finished: dict[str, Any], failed: dict[str, Any]) -> None:
    """Below `/api`, with `param_obj` as text, and a result used again as a source."""
    inventory = requests.get(f"{service.url}/api/v1/model_inventory", timeout=30)
    assert inventory.status_code == 200
    assert inventory.json()["data"]["models"][0]["is_loaded"] is True
    sample = post(service.url, "/api/create_random_sample", json={}).json()["data"]
    assert sample["keyscale"] == sample["key_scale"]
    response = post(
        service.url,
        "/api/release_task",
        json={"prompt": "x", "param_obj": json.dumps({"duration": 10, "bpm": 90}), "batch_size": 1},
    )
    (item,) = wait(service.url, response.json()["data"]["task_id"])
    assert (item["metas"]["bpm"], item["metas"]["duration"]) == (90, 10)
    assert item["file"].startswith("/v1/audio?path="), "no prefix in stored values"
    assert requests.get(f"{service.url}/api{item['file']}", timeout=30).status_code == 200
    assert json.loads(finished["result"])[0]["stage"] == "succeeded"
    assert isinstance(failed["result"], str)
    key = parse_qs(urlsplit(item["file"]).query)["path"][0]
    again = post(
        service.url,
        "/api/release_task",
        data={"task_type": "cover", "src_audio_path": key, "batch_size": "1"},
        files={"nothing": ("", b"")},
    )
    assert again.status_code == 200, again.text
    wait(service.url, again.json()["data"]["task_id"])


def test_ace_step_daw_uploads_the_same_form_three_times(service: Installation) -> None:
    song = a_song()
    ids = set()
    for _ in range(3):
        response = post(
            service.url,
            "/api/release_task",
            data={"task_type": "repaint", "repainting_start": "2", "batch_size": "1"},
            files={"ctx_audio": ("a.wav", song, "application/octet-stream")},
        )
        assert response.status_code == 200, response.text
        ids.add(response.json()["data"]["task_id"])
    assert len(ids) == 3
    for task_id in ids:
        wait(service.url, task_id)


def test_ace_step_ui(service: Installation, finished: dict[str, Any], failed: dict[str, Any]) -> None:
    """Health word, progress of the first item, format found in the URL, absolute paths of its own disk."""
    assert requests.get(f"{service.url}/health", timeout=30).json()["data"]["status"] == "ok"
    item = json.loads(finished["result"])[0]
    assert item["progress"] == 1.0
    assert ".flac" in item["file"]
    assert ".wav" not in item["file"]
    assert failed["error"] == "task not found"
    response = post(
        service.url,
        "/release_task",
        json={"task_type": "cover", "src_audio_path": "/Users/me/song.mp3", "prompt": "x"},
    )
    assert (response.status_code, response.json()["error"]) == (400, "audio path not available")


def test_acestep_vst3(service: Installation, finished: dict[str, Any], failed: dict[str, Any]) -> None:
    """HTTP 200 and `code` 200; the URL ends in the extension; whole durations are whole numbers."""
    answer = post(service.url, "/query_result", json={"task_id_list": [finished["task_id"]]})
    assert (answer.status_code, answer.json()["code"], answer.json()["error"]) == (200, 200, None)
    item = json.loads(finished["result"])[0]
    assert item["file"].endswith(".flac")
    assert type(item["metas"]["duration"]) is int
    assert json.loads(failed["result"])[0]["error"]
    assert requests.get(f"{service.url}/v1/lora/list", timeout=30).status_code == 404


def test_wrangler(service: Installation, finished: dict[str, Any]) -> None:
    """Polls everything it knows at once, and splits the file value at its question mark."""
    asked = [finished["task_id"], UNKNOWN, str(uuid4())]
    data = post(service.url, "/query_result", json={"task_id_list": asked}).json()["data"]
    assert [entry["task_id"] for entry in data] == asked
    assert "?" in json.loads(finished["result"])[0]["file"]
    response = post(
        service.url,
        "/release_task",
        json={"prompt": "x", "lm_model_path": "acestep-5Hz-lm-1.7B", "audio_duration": 10, "batch_size": 1},
    )
    assert response.status_code == 200, "a server-side hint that it hard-codes"


def test_infinitune(service: Installation, finished: dict[str, Any]) -> None:
    """Unknown fields, an automatic duration, `4/4`; a model that we lack is a readable 400."""
    response = post(
        service.url,
        "/release_task",
        json={
            "prompt": "x",
            "audio_duration": -1,
            "time_signature": "4/4",
            "inference_steps": 2,
            "batch_size": 1,
            "cover_art": True,
        },
    )
    assert response.status_code == 200
    task_id = response.json()["data"]["task_id"]
    assert post(service.url, f"/v1/tasks/{task_id}/cancel").status_code == 200, "a minute is too long here"
    wrong = post(service.url, "/release_task", json={"prompt": "x", "model": "acestep-v15-sft"})
    assert wrong.status_code == 400
    by_id = {
        entry["task_id"]: entry
        for entry in post(
            service.url, "/query_result", json={"task_id_list": [finished["task_id"], UNKNOWN]}
        ).json()["data"]
    }
    assert json.loads(by_id[finished["task_id"]]["result"]) != []


def test_pollinations_gateway(finished: dict[str, Any]) -> None:
    """A file must be there as soon as the status is 1."""
    assert finished["status"] == 1
    assert json.loads(finished["result"])[0]["file"]


def test_browser_client(service: Installation, failed: dict[str, Any]) -> None:
    """Reads `error`, else `detail`; `param_obj` as an object; the failure text of the first item."""
    wrong = post(service.url, "/release_task", json={"audio_format": "xm"})
    assert wrong.headers["Content-Type"].startswith("application/json")
    assert wrong.json()["error"] == wrong.json()["detail"]
    assert json.loads(failed["result"])[0]["error"] == failed["progress_text"] == "task not found"
    response = post(
        service.url, "/release_task", json={"prompt": "x", "param_obj": {"duration": 10}, "batch_size": 1}
    )
    (item,) = wait(service.url, response.json()["data"]["task_id"])
    assert item["metas"]["duration"] == 10


def test_programs_that_send_the_list_as_text(
    service: Installation, finished: dict[str, Any], failed: dict[str, Any]
) -> None:
    """`task_id_list` as JSON text inside JSON; the end is found by stage, progress, or a truthy error."""
    answer = post(
        service.url, "/query_result", json={"task_id_list": json.dumps([finished["task_id"]])}
    ).json()
    assert answer["error"] is None
    item = json.loads(answer["data"][0]["result"])[0]
    assert (item["stage"], item["progress"] >= 1, bool(item["file"])) == ("succeeded", True, True)
    assert json.loads(failed["result"])[0]["stage"] == "failed"


def test_path_parsers(service: Installation, finished: dict[str, Any]) -> None:
    """They cut the path out and send it back unencoded."""
    parts = urlsplit(service.url + json.loads(finished["result"])[0]["file"])
    assert parts.path == "/v1/audio"
    key = parse_qs(parts.query)["path"][0]
    for form in (key, f"/{key}"):
        response = requests.get(f"{service.url}/v1/audio?path={form}", timeout=30)
        assert (response.status_code, response.content[:4]) == (200, b"fLaC")


def test_equal_ids_are_answered_as_often_as_asked(service: Installation, finished: dict[str, Any]) -> None:
    ids = [finished["task_id"], UNKNOWN, finished["task_id"]]
    data = post(service.url, "/query_result", json={"task_id_list": ids}).json()["data"]
    assert [entry["task_id"] for entry in data] == ids
    assert data[0] == data[2]
