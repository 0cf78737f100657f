"""Every request that the two documents of the contract show, with the same fields.

They run on the tiny models, whose language model plans songs of noise.
"""

import io
import json
from typing import Any

import numpy as np
import pytest
import requests
import soundfile

from tests.acceptance.conftest import Installation
from tests.acceptance.test_client_flow import download, generate, submit, wait

pytestmark = pytest.mark.inference

STEPS = "0.97,0.76,0.615,0.5,0.395,0.28,0.18,0.085,0"


def a_song(seconds: float = 12.0) -> bytes:
    """A short chord as wav bytes, for uploads."""
    time = np.arange(int(seconds * 48000)) / 48000
    wave = sum(0.2 * np.sin(2 * np.pi * pitch * time) for pitch in (220.0, 277.2, 329.6))
    out = io.BytesIO()
    soundfile.write(out, np.stack([wave, wave], axis=1), 48000, format="WAV")
    return out.getvalue()


def refused(base: str, **parameters: Any) -> str:
    response = requests.post(f"{base}/release_task", json=parameters, timeout=30)
    assert response.status_code == 400
    body = response.json()
    assert body["error"] == body["detail"]
    return str(body["error"])


def test_basic_request(service: Installation) -> None:
    items = wait(
        service.url,
        submit(service.url, prompt="upbeat pop song", lyrics="Hello world", inference_steps=8, duration=10),
    )
    assert len(items) == 2, "batch_size is 2 unless something else is asked for"
    assert items[0]["file"].endswith(".mp3")


# The documents ask for 30 s, 120 s, or for no length at all; with random weights 10 s tell as much.
@pytest.mark.parametrize(
    "parameters",
    [
        {"prompt": "p", "lyrics": "Hello", "thinking": True, "lm_temperature": 0.85, "lm_cfg_scale": 2.5},
        {"sample_query": "a soft Bengali love song for a quiet evening", "thinking": True},
        {"prompt": "pop rock", "lyrics": "[Verse 1]\nWalking …", "use_format": True, "thinking": True},
        {"prompt": "electronic dance music", "model": "acestep-tiny-random", "thinking": True},
        {"prompt": "jazz piano trio", "timesteps": STEPS, "thinking": True},
        {"task_type": "text2music", "prompt": "rock", "bpm": 140, "thinking": True},
        {"prompt": "indie folk", "bpm": 72, "key_scale": "Am", "time_signature": "4", "thinking": True},
    ],
)
def test_requests_that_need_a_language_model(service: Installation, parameters: dict[str, Any]) -> None:
    ((item, content),) = generate(service.url, **parameters, audio_duration=10, batch_size=1)
    metas = item["metas"]
    assert soundfile.info(io.BytesIO(content)).duration == pytest.approx(10, abs=0.05)
    assert item["lm_model"] == "acestep-5Hz-lm-tiny-random"
    assert 30 <= metas["bpm"] <= 300
    assert metas["bpm"] == parameters.get("bpm", metas["bpm"])
    assert metas["keyscale"] == parameters.get("key_scale", metas["keyscale"]) != ""
    assert metas["timesignature"] == parameters.get("time_signature", metas["timesignature"]) in "2346"
    rewritten = {"sample_query", "use_format"} & parameters.keys()
    assert (item["prompt"] != parameters.get("prompt", "")) == bool(rewritten)
    assert metas["prompt"] == parameters.get("prompt", "")


@pytest.mark.parametrize(
    "parameters",
    [
        {"prompt": "electronic dance music", "model": "acestep-tiny-random"},
        {"prompt": "jazz piano trio", "timesteps": STEPS},
        {"task_type": "text2music", "prompt": "energetic rock", "lyrics": "[Instrumental]", "bpm": 140},
        {"prompt": "indie folk", "lyrics": "[Verse 1]\nWalking alone...", "bpm": 72, "key_scale": "Am"},
    ],
)
def test_the_same_requests_without_it(service: Installation, parameters: dict[str, Any]) -> None:
    ((item, content),) = generate(service.url, **parameters, audio_duration=10, batch_size=1)
    assert item["status"] == 1
    assert soundfile.info(io.BytesIO(content)).duration == pytest.approx(10, abs=0.05)


def test_a_model_that_is_not_offered_is_named_with_those_that_are(service: Installation) -> None:
    text = refused(service.url, prompt="high quality", model="acestep-v15-base")
    assert "acestep-tiny-random" in text


@pytest.mark.parametrize(
    ("task_type", "field"), [("repaint", "src_audio"), ("cover", "src_audio"), ("cover", "ctx_audio")]
)
def test_upload_of_a_source(service: Installation, task_type: str, field: str) -> None:
    response = requests.post(
        f"{service.url}/release_task",
        data={"prompt": "remix this song", "task_type": task_type, "thinking": "true", "batch_size": "1"},
        files={field: ("song.wav", a_song(), "audio/wav")},
        timeout=30,
    )
    assert response.status_code == 200, response.text
    (item,) = wait(service.url, response.json()["data"]["task_id"])
    assert item["metas"]["duration"] == pytest.approx(12, abs=0.05)
    assert len(download(service.url, item["file"])) > 10_000


def test_a_result_is_the_source_of_the_next_task(service: Installation) -> None:
    (first,) = wait(service.url, submit(service.url, prompt="a", audio_duration=10, batch_size=1))
    ((cover, _),) = generate(
        service.url,
        task_type="cover",
        src_audio_path=first["file"],
        prompt="jazz piano version",
        audio_cover_strength=1.0,
        batch_size=1,
    )
    ((repaint, _),) = generate(
        service.url,
        task_type="repaint",
        src_audio_path=first["file"].split("path=")[1].replace("%2F", "/"),
        repainting_start=3.0,
        repainting_end=6.0,
        prompt="smooth transition with piano solo",
        batch_size=1,
    )
    assert cover["metas"]["duration"] == repaint["metas"]["duration"] == pytest.approx(10, abs=0.05)


def test_a_path_of_the_client_is_refused_readably(service: Installation) -> None:
    text = refused(service.url, task_type="cover", src_audio_path="/path/to/original.mp3", prompt="jazz")
    assert text == "audio path not available"


def test_query_by_json_by_form_and_by_text(service: Installation) -> None:
    ids = [submit(service.url, prompt=str(number), audio_duration=10, batch_size=1) for number in range(2)]
    for task_id in ids:
        wait(service.url, task_id)
    url = f"{service.url}/query_result"
    answers = [
        requests.post(url, json={"task_id_list": ids}, timeout=30),
        requests.post(url, json={"task_id_list": json.dumps(ids)}, timeout=30),
        requests.post(url, data={"task_id_list": json.dumps(ids)}, timeout=30),
        requests.post(url, files={"task_id_list": (None, json.dumps(ids))}, timeout=30),
    ]
    data = [answer.json()["data"] for answer in answers]
    assert [entry["task_id"] for entry in data[0]] == ids
    assert [entry["status"] for entry in data[0]] == [1, 1]
    assert data[1:] == [data[0]] * 3


def test_format_input_improves_a_text_and_keeps_what_the_user_gave(service: Installation) -> None:
    response = requests.post(
        f"{service.url}/format_input",
        json={
            "prompt": "pop rock",
            "lyrics": "Walking down the street",
            "param_obj": '{"duration": 180, "language": "en"}',
        },
        timeout=30,
    )
    body = response.json()
    assert (response.status_code, body["code"]) == (200, 200), body
    data = body["data"]
    assert (data["duration"], data["vocal_language"], data["language"]) == (180, "en", "en")
    assert data["caption"]
    assert data["bpm"] is None or 30 <= data["bpm"] <= 300


def test_random_sample_can_be_submitted(service: Installation) -> None:
    response = requests.post(
        f"{service.url}/create_random_sample", json={"sample_type": "simple_mode"}, timeout=30
    )
    sample = response.json()["data"]
    for name, kind in (("caption", str), ("lyrics", str), ("bpm", int), ("key_scale", str)):
        assert isinstance(sample[name], kind)
    assert (sample["keyscale"], sample["language"]) == (sample["key_scale"], sample["vocal_language"])
    fields = ("caption", "lyrics", "bpm", "key_scale", "time_signature", "vocal_language")
    chosen = {name: sample[name] for name in fields}
    (item,) = wait(service.url, submit(service.url, **chosen, duration=10, batch_size=1))
    assert item["prompt"] == sample["caption"]


def test_models_stats_and_health(service: Installation) -> None:
    models = requests.get(f"{service.url}/v1/models", timeout=30).json()["data"]
    assert [model["name"] for model in models["models"] if model["is_default"]] == [models["default_model"]]
    stats = requests.get(f"{service.url}/v1/stats", timeout=30).json()["data"]
    assert set(stats) >= {"jobs", "queue_size", "queue_maxsize", "avg_job_seconds"}
    health = requests.get(f"{service.url}/health", timeout=30).json()["data"]
    assert {"status": "ok", "service": "ACE-Step API", "version": "1.0"}.items() <= health.items()


def test_an_unknown_audio_path_is_a_404(service: Installation) -> None:
    response = requests.get(f"{service.url}/v1/audio?path=%2Ftmp%2Fapi_audio%2Fabc123.mp3", timeout=30)
    assert response.status_code == 404
    assert response.json()["error"] == "audio file not found"
