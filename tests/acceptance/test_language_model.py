"""The language model over HTTP: whose values count, what is kept, and requests of every kind."""

import os
import re
from random import Random
from typing import Any

import pytest
import requests

from tests.acceptance.conftest import Installation
from tests.acceptance.test_client_flow import generate, submit, wait

pytestmark = pytest.mark.inference

RANDOM_REQUESTS = int(os.environ.get("PLANNED_REQUESTS_HTTP", "8"))
LM = "acestep-5Hz-lm-tiny-random"
EXPLICIT: dict[str, Any] = {"bpm": 97, "key_scale": "Am", "time_signature": "6/8", "vocal_language": "fr"}
METAS = {"bpm": 97, "keyscale": "Am", "timesignature": "6"}
CODES_OF_TINY = 640


def record_of(base: str, task_id: str) -> dict[str, Any]:
    record: dict[str, Any] = requests.get(f"{base}/v1/tasks/{task_id}", timeout=30).json()["data"]
    return record


def codes_of(record: dict[str, Any]) -> list[list[int]]:
    return [
        [int(code) for code in re.findall(r"\d+", text)] for text in (record["lm"] or {}).get("codes", [])
    ]


def test_equal_seeds_give_equal_codes_and_equal_wavs(service: Installation) -> None:
    request = {"prompt": "p", "thinking": True, "audio_duration": 10, "audio_format": "wav", "batch_size": 2}
    first = generate(service.url, **request)
    seeds = first[0][0]["seed_value"]
    second = generate(service.url, **request, use_random_seed=False, seed=seeds)
    assert [content for _, content in first] == [content for _, content in second]
    other = generate(service.url, **request, use_random_seed=False, seed="1,2")
    assert other[0][1] != first[0][1]


def test_the_record_keeps_what_the_language_model_did(service: Installation) -> None:
    task_id = submit(
        service.url, prompt="pop", thinking=True, audio_duration=10, bpm=97, batch_size=2, lm_backend="vllm"
    )
    items = wait(service.url, task_id)
    record = record_of(service.url, task_id)
    lm = record["lm"]
    assert (lm["backend_requested"], lm["backend_used"]) == ("vllm", "pt")
    assert lm["metas"]["bpm"] == 97
    assert lm["metas"]["keyscale"] == items[0]["metas"]["keyscale"]
    assert lm["caption"]
    assert [len(codes) for codes in codes_of(record)] == [50, 50]
    assert record["lm_model"]["name"] == items[0]["lm_model"] == LM
    assert len(record["lm_model"]["sha256"]) == 64
    assert record["lm_seed"] == record["seeds"][0]
    assert record["versions"]["vllm"] is None
    assert f"LM {LM}" in items[0]["generation_info"]


def test_codes_that_were_made_can_be_sent_again(service: Installation) -> None:
    task_id = submit(service.url, prompt="pop", thinking=True, audio_duration=10, batch_size=1)
    wait(service.url, task_id)
    codes = record_of(service.url, task_id)["lm"]["codes"]
    again = submit(service.url, prompt="pop", thinking=True, audio_codes=codes, batch_size=1)
    (item,) = wait(service.url, again)
    assert item["metas"]["duration"] == pytest.approx(10, abs=0.05)
    assert record_of(service.url, again)["lm"]["codes"] == []


def test_progress_counts_codes(service: Installation) -> None:
    task_id = submit(service.url, prompt="pop", thinking=True, audio_duration=120, batch_size=1)
    seen: set[str] = set()
    for _ in range(3000):
        entry = requests.post(
            f"{service.url}/query_result", json={"task_id_list": [task_id]}, timeout=30
        ).json()["data"][0]
        seen.add(re.sub(r"\d+", "N", entry["progress_text"]))
        if entry["status"] or "llm usage: planning, N of N codes" in seen:
            break
    requests.post(f"{service.url}/v1/tasks/{task_id}/cancel", timeout=30)
    assert "llm usage: planning, N of N codes" in seen


def random_request(random: Random) -> dict[str, Any]:
    given = {name: value for name, value in EXPLICIT.items() if random.random() < 0.4}
    wish = {
        "prompt": random.choice(["", "pop", "<|im_end|> 夜 `x`: y"]),
        "lyrics": random.choice(["", "[verse]\nla", "[Instrumental]"]),
        "thinking": random.random() < 0.5,
        "sample_mode": random.random() < 0.2,
        "sample_query": random.choice(["", "", "a rap in Spanish"]),
        "use_format": random.random() < 0.3,
        "use_cot_caption": random.random() < 0.5,
        "use_cot_language": random.random() < 0.5,
        "lm_temperature": random.choice([0.0, 0.85, 2.0]),
        "lm_cfg_scale": random.choice([0.0, 2.5]),
        "lm_top_k": random.choice([0, 5]),
        "lm_top_p": random.choice([0.0, 0.9, 1.0]),
        "lm_repetition_penalty": random.choice([0.5, 1.0, 1.2]),
        "allow_lm_batch": random.random() < 0.5,
        "batch_size": random.randint(1, 2),
        "audio_duration": 10,
    }
    return wish | given


def test_random_requests_of_every_kind_keep_their_promises(service: Installation) -> None:
    random = Random(7)
    wishes = [random_request(random) for _ in range(RANDOM_REQUESTS)]
    tasks = [submit(service.url, **wish) for wish in wishes]
    for task_id, wish in zip(tasks, wishes, strict=True):
        items = wait(service.url, task_id)
        record = record_of(service.url, task_id)
        assert len(items) == wish["batch_size"]
        metas = items[0]["metas"]
        names = {"bpm": "bpm", "key_scale": "keyscale", "time_signature": "timesignature"}
        for name, shown in names.items():
            if name in wish:
                assert metas[shown] == METAS[shown]
        assert metas["duration"] == pytest.approx(10, abs=0.05)
        codes = codes_of(record)
        assert len(codes) == (wish["batch_size"] if wish["thinking"] else 0)
        assert all(0 <= code < CODES_OF_TINY for each in codes for code in each)
        assert bool(items[0]["lm_model"]) == (record["lm_model"] is not None)
