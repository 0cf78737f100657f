"""The flow of the client guide with `requests`: submit, poll, parse, download, with any pause in between."""

import io
import json
import time
from typing import Any

import numpy as np
import pytest
import requests
import soundfile

from tests.acceptance.conftest import Installation

pytestmark = pytest.mark.inference

# With all of this the language model has nothing to do.
FIXED = {
    "bpm": 90,
    "key_scale": "Am",
    "time_signature": "4",
    "audio_duration": 10,
    "use_cot_caption": False,
    "use_cot_language": False,
}


def submit(base: str, **parameters: Any) -> str:
    response = requests.post(f"{base}/release_task", json=parameters, timeout=30)
    response.raise_for_status()
    body = response.json()
    assert body["code"] == 200
    return str(body["data"]["task_id"])


def query(base: str, task_id: str) -> dict[str, Any]:
    response = requests.post(f"{base}/query_result", json={"task_id_list": [task_id]}, timeout=30)
    response.raise_for_status()
    entry: dict[str, Any] = response.json()["data"][0]
    return entry


def wait(base: str, task_id: str, *, limit_s: float = 60) -> list[dict[str, Any]]:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        task = query(base, task_id)
        if task["status"] == 1:
            items: list[dict[str, Any]] = json.loads(task["result"])
            return items
        assert task["status"] == 0, task
        assert isinstance(json.loads(task["result"]), list), "also while it runs"
        time.sleep(0.1)
    raise AssertionError("the task did not end")


def download(base: str, file: str) -> bytes:
    response = requests.get(f"{base}{file}", timeout=30)
    response.raise_for_status()
    return response.content


def generate(base: str, **parameters: Any) -> list[tuple[dict[str, Any], bytes]]:
    items = wait(base, submit(base, **parameters))
    return [(item, download(base, item["file"])) for item in items]


@pytest.mark.parametrize("audio_format", ["mp3", "wav", "flac", "opus"])
def test_a_clip_has_the_length_and_form_that_was_asked_for(service: Installation, audio_format: str) -> None:
    ((item, content),) = generate(
        service.url, prompt="upbeat pop", audio_duration=12.5, batch_size=1, audio_format=audio_format
    )
    samples, rate = soundfile.read(io.BytesIO(content))
    assert rate == 48000
    assert samples.shape[1] == 2
    assert samples.shape[0] / rate == pytest.approx(12.5, abs=0.05)
    assert np.abs(samples).max() > 0.1
    assert item["file"].endswith(f".{audio_format}")
    mime = {"mp3": "audio/mpeg", "wav": "audio/wav", "flac": "audio/flac", "opus": "audio/ogg"}[audio_format]
    head = requests.head(f"{service.url}{item['file']}", timeout=30)
    assert (head.status_code, head.headers["content-type"]) == (200, mime)
    assert item["metas"]["duration"] == pytest.approx(12.5, abs=0.05)


def test_the_answer_has_every_documented_key(service: Installation) -> None:
    ((item, _),) = generate(
        service.url, prompt="a", lyrics="b", bpm=90, key_scale="Am", audio_duration=10, batch_size=1
    )
    assert item["metas"]["bpm"] == 90
    assert item["metas"]["keyscale"] == "Am"
    assert (item["prompt"], item["lyrics"], item["status"], item["wave"]) == ("a", "b", 1, "")
    assert item["dit_model"] == "acestep-tiny-random"
    assert item["lm_model"] == "acestep-5Hz-lm-tiny-random"
    assert item["seed_value"].isdecimal()
    assert "noise" in item["generation_info"]


def test_equal_seeds_give_equal_bytes(service: Installation) -> None:
    request = {
        "prompt": "quiet guitar",
        "audio_duration": 10,
        "audio_format": "wav",
        "use_random_seed": False,
    }
    first = generate(service.url, **request, batch_size=2, seed="11,22")
    again = generate(service.url, **request, batch_size=2, seed=[11, 22])
    assert [content for _, content in first] == [content for _, content in again]
    assert first[0][1] != first[1][1]
    assert [item["seed"] for item, _ in first] == [11, 22]
    assert first[0][0]["seed_value"] == "11,22"


def test_without_a_plan_each_clip_of_a_batch_is_reproducible(service: Installation) -> None:
    request = {
        **FIXED,
        "prompt": "quiet guitar",
        "audio_format": "wav",
        "use_random_seed": False,
    }
    first = generate(service.url, **request, batch_size=2, seed="11,22")
    assert first[0][0]["lm_model"] == ""
    ((item, alone),) = generate(service.url, **request, batch_size=1, seed=22)
    assert item["seed"] == 22
    in_batch, _ = soundfile.read(io.BytesIO(first[1][1]))
    by_itself, _ = soundfile.read(io.BytesIO(alone))
    # Kernels differ with the batch shape, and 16 bits round at -96 dB: at most one step apart.
    assert np.abs(in_batch - by_itself).max() <= 2.0 / 2**15


def test_drawn_seeds_are_recorded_and_repeat_the_clips(service: Installation) -> None:
    request = {"prompt": "drums", "audio_duration": 10, "audio_format": "wav", "batch_size": 2}
    drawn = generate(service.url, **request)
    seeds = drawn[0][0]["seed_value"]
    again = generate(service.url, **request, use_random_seed=False, seed=seeds)
    assert [content for _, content in drawn] == [content for _, content in again]


def test_a_player_can_seek(service: Installation) -> None:
    items = wait(service.url, submit(service.url, audio_duration=10, batch_size=1, audio_format="wav"))
    url = f"{service.url}{items[0]['file']}"
    whole = requests.get(url, timeout=30)
    part = requests.get(url, headers={"Range": "bytes=100-199"}, timeout=30)
    head = requests.head(url, timeout=30)
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    assert head.headers["Content-Length"] == str(len(whole.content))
    assert head.headers["ETag"] == whole.headers["ETag"]
    assert requests.get(url, headers={"If-None-Match": whole.headers["ETag"]}, timeout=30).status_code == 304
    assert requests.get(url, headers={"Range": "bytes=99999999-"}, timeout=30).status_code == 416


def test_the_service_tells_its_load_and_its_models(service: Installation) -> None:
    stats = requests.get(f"{service.url}/v1/stats", timeout=30).json()["data"]
    assert stats["queue_size"] / stats["queue_maxsize"] < 0.8
    jobs = stats["jobs"]
    assert jobs["total"] == jobs["queued"] + jobs["running"] + jobs["succeeded"] + jobs["failed"]
    models = requests.get(f"{service.url}/v1/models", timeout=30).json()["data"]
    assert models["default_model"] == "acestep-tiny-random"
    (model,) = models["models"]
    assert (model["is_loaded"], model["category"]) == (True, "turbo")
