from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from app.domain.progress import STAGES, calm, progress_text
from app.domain.result import entry
from app.domain.task import ClipView, TaskId, TaskStatus, TaskView

ID = "550E8400-e29b-41d4-a716-446655440000"
ENTRY_KEYS = {"task_id", "status", "result", "progress_text", "error", "state", "error_code"}
STATE_KEYS = {"file", "wave", "status", "create_time", "env", "prompt", "lyrics", "metas", "progress"}
STATE_KEYS |= {"stage", "error"}
CLIP_KEYS = {*STATE_KEYS, "generation_info", "seed_value", "lm_model", "dit_model", "seed", "index"}
META_KEYS = {"bpm", "duration", "genres", "keyscale", "timesignature", "prompt", "lyrics"}


def a_clip(index: int, **changes: Any) -> ClipView:
    values: dict[str, Any] = {
        "index": index,
        "public_key": f"audio/{index:032x}.mp3",
        "ext": "mp3",
        "mime": "audio/mpeg",
        "size_bytes": 1000,
        "sha256": "00" * 32,
        "duration_s": 10.0,
        "sample_rate_hz": 48_000,
        "seed": 100 + index,
        "available": True,
    }
    return ClipView(**(values | changes))


def a_view(status: TaskStatus, **changes: Any) -> TaskView:
    values: dict[str, Any] = {
        "id": TaskId(UUID(ID)),
        "status": status,
        "attempt": 1,
        "created_at": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
        "progress": 0.0,
        "stage": None,
        "progress_text": None,
        "queue_position": None,
        "params": {"prompt": "mine", "lyrics": "la", "seeds": [100, 101], "bpm": None, "key_scale": ""},
        "adjustments": [],
        "model": "acestep-v15-turbo",
        "result": None,
        "error_code": None,
        "error_message": None,
        "clips": [],
    }
    return TaskView(**(values | changes))


def a_success(**changes: Any) -> TaskView:
    told = {
        "seed": 100,
        "duration": 10.0,
        "silent": False,
        "prompt": "rewritten ♪",
        "lyrics": "[Verse]\nla",
        "vocal_language": "en",
        "bpm": 96,
        "keyscale": "G major",
        "timesignature": "4",
    }
    result = {
        "items": [told | {"index": 0}, told | {"index": 1}],
        "dit_model": {"name": "acestep-v15-turbo", "revision": "r", "sha256": "s"},
        "lm_model": {"name": "acestep-5Hz-lm-0.6B"},
        "seconds": {"diffusing": 1.234, "decoding": 0.5},
        "audit": {},
    }
    values = {"result": result, "clips": [a_clip(0), a_clip(1, duration_s=33.5)]}
    return a_view(TaskStatus.SUCCEEDED, **(values | changes))


def items_of(view: TaskView | None) -> list[dict[str, Any]]:
    text = entry(ID, view, env="development").result
    items: list[dict[str, Any]] = msgspec.json.decode(text)
    return items


def test_the_id_is_echoed_as_it_was_asked() -> None:
    assert entry(ID, a_view(TaskStatus.QUEUED), env="x").task_id == ID


@pytest.mark.parametrize(
    ("view", "status", "state"),
    [
        (a_view(TaskStatus.QUEUED), 0, "queued"),
        (a_view(TaskStatus.RUNNING), 0, "running"),
        (a_success(), 1, "succeeded"),
        (a_view(TaskStatus.FAILED), 2, "failed"),
        (a_view(TaskStatus.CANCELLED), 2, "cancelled"),
        (None, 2, "not_found"),
    ],
)
def test_every_state_has_its_keys_and_types(view: TaskView | None, status: int, state: str) -> None:
    answer = msgspec.to_builtins(entry(ID, view, env="development"))
    assert set(answer) == ENTRY_KEYS
    assert (answer["status"], answer["state"]) == (status, state)
    assert isinstance(answer["result"], str)
    assert isinstance(answer["progress_text"], str)
    assert (answer["error"] is None) == (status != 2)
    assert (answer["error_code"] is None) == (status != 2)
    items = items_of(view)
    assert len(items) == (2 if status == 1 else 1)
    for item in items:
        assert set(item) == (CLIP_KEYS if status == 1 else STATE_KEYS)
        assert item["status"] == status
        assert isinstance(item["status"], int)
        assert isinstance(item["create_time"], int)
        assert item["env"] == "development"
        assert item["wave"] == ""
        assert "url" not in item


def test_a_queued_task_tells_its_place() -> None:
    answer = entry(ID, a_view(TaskStatus.QUEUED, queue_position=3, progress=0.4, stage="saving"), env="x")
    item = items_of(a_view(TaskStatus.QUEUED, queue_position=3, progress=0.4, stage="saving"))[0]
    assert answer.progress_text == "queued (position 3)"
    assert (item["stage"], item["progress"], item["error"]) == ("queued", 0.0, None)
    assert (item["file"], item["metas"]) == ("", {})


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (None, "queued"),
        (2000, "queued (position 2000)"),
        (2001, "queued (position 2001 or later)"),  # no place is counted further
    ],
)
def test_a_place_that_was_not_counted_is_told_as_the_least_it_can_be(place: int | None, text: str) -> None:
    assert entry(ID, a_view(TaskStatus.QUEUED, queue_position=place), env="x").progress_text == text


def test_a_running_task_tells_stage_and_progress() -> None:
    view = a_view(
        TaskStatus.RUNNING, progress=0.5, stage="diffusing", progress_text="dit diffusion: step 4/8"
    )
    item = items_of(view)[0]
    assert entry(ID, view, env="x").progress_text == "dit diffusion: step 4/8"
    assert (item["stage"], item["progress"]) == ("diffusing", 0.5)


@pytest.mark.parametrize(("progress", "shown"), [(1.0, 0.99), (-1.0, 0.0), (0.99, 0.99)])
def test_progress_of_a_running_task_stays_below_one(progress: float, shown: float) -> None:
    assert items_of(a_view(TaskStatus.RUNNING, progress=progress))[0]["progress"] == shown


@pytest.mark.parametrize("stage", [None, "warming", "queued"])
def test_an_unknown_stage_of_a_running_task_is_shown_as_its_beginning(stage: str | None) -> None:
    view = a_view(TaskStatus.RUNNING, stage=stage)
    assert items_of(view)[0]["stage"] == "loading"
    assert entry(ID, view, env="x").progress_text == "initializing"


def test_a_failed_task_tells_the_reason() -> None:
    view = a_view(TaskStatus.FAILED, error_code="timeout", error_message="took longer than 1800 s")
    answer = entry(ID, view, env="x")
    assert (answer.error, answer.error_code, answer.progress_text) == (
        "took longer than 1800 s",
        "timeout",
        "took longer than 1800 s",
    )
    item = items_of(view)[0]
    assert (item["stage"], item["progress"], item["error"]) == ("failed", 0.0, "took longer than 1800 s")


def test_a_cancelled_item_has_the_stage_failed() -> None:
    answer = entry(ID, a_view(TaskStatus.CANCELLED), env="x")
    assert (answer.state, answer.error, answer.error_code) == ("cancelled", "cancelled", "cancelled")
    assert items_of(a_view(TaskStatus.CANCELLED))[0]["stage"] == "failed"


def test_an_unknown_task_ends_polling() -> None:
    answer = entry("no uuid", None, env="x")
    assert (answer.task_id, answer.status, answer.state) == ("no uuid", 2, "not_found")
    assert (answer.error, answer.error_code) == ("task not found", "not_found")
    assert items_of(None)[0]["error"] == "task not found"


def test_a_success_has_one_item_per_clip() -> None:
    first, second = items_of(a_success())
    assert first["file"] == "/v1/audio?path=audio%2F" + "0" * 32 + ".mp3"
    assert (first["seed_value"], second["seed_value"]) == ("100,101", "100,101")
    assert [(i["index"], i["seed"]) for i in (first, second)] == [(0, 100), (1, 101)]
    assert (first["prompt"], first["lyrics"]) == ("rewritten ♪", "[Verse]\nla")
    assert (first["dit_model"], first["lm_model"]) == ("acestep-v15-turbo", "acestep-5Hz-lm-0.6B")
    assert (first["progress"], first["stage"], first["error"]) == (1.0, "succeeded", None)
    assert first["create_time"] == 1_700_000_000
    assert entry(ID, a_success(), env="x").progress_text == "done"


def test_metas_hold_what_was_used_beside_the_users_own_text() -> None:
    first, second = (item["metas"] for item in items_of(a_success()))
    assert set(first) == META_KEYS
    assert (first["bpm"], first["keyscale"], first["timesignature"]) == (96, "G major", "4")
    assert (first["prompt"], first["lyrics"], first["genres"]) == ("mine", "la", "")
    assert (first["duration"], second["duration"]) == (10, 33.5)
    assert isinstance(first["duration"], int)


def test_an_explicit_key_is_shown_as_sent() -> None:
    view = a_success(params={"key_scale": "Am", "time_signature": "3"})
    metas = items_of(view)[0]["metas"]
    assert (metas["keyscale"], metas["timesignature"]) == ("Am", "3")


def test_without_a_language_model_its_name_is_empty() -> None:
    view = a_success()
    assert view.result is not None
    item = items_of(replace(view, result={**view.result, "lm_model": None}))[0]
    assert item["lm_model"] == ""
    assert "no LM" in item["generation_info"]


def test_non_ascii_text_is_not_escaped() -> None:
    assert "♪" in entry(ID, a_success(), env="x").result


def test_generation_info_names_models_times_and_adjustments() -> None:
    adjustment = {"field": "batch_size", "given": 99, "used": 8, "reason": "the maximum is 8"}
    info = items_of(a_success(adjustments=[adjustment]))[0]["generation_info"]
    assert "DiT acestep-v15-turbo, LM acestep-5Hz-lm-0.6B" in info
    assert "diffusing 1.23 s" in info
    assert "batch_size 99 -> 8 (the maximum is 8)" in info
    assert "noise" not in info


def test_generation_info_says_plainly_that_random_weights_make_noise() -> None:
    view = a_success()
    assert view.result is not None
    tiny = {**view.result, "dit_model": {"name": "acestep-tiny-random"}}
    info = items_of(replace(view, result=tiny))[0]["generation_info"]
    assert info.startswith("acestep-tiny-random has random weights: this is noise, not music")


def test_generation_info_names_what_the_model_did_not_read() -> None:
    view = a_success()
    assert view.result is not None
    items = [{**item, "texts_cut": ["lyrics"] * item["index"]} for item in view.result["items"]]
    info = items_of(replace(view, result={**view.result, "items": items}))[0]["generation_info"]
    assert "longer than the model reads, cut at its end: lyrics of clip 2\n" in info
    assert "longer than" not in items_of(view)[0]["generation_info"]


def test_progress_words_of_every_stage() -> None:
    assert [progress_text(stage, 4, 8) for stage in STAGES] == [
        "queued",
        "initializing",
        "llm usage: planning, 4 of 8 codes",
        "loading text_encoder",
        "dit diffusion: step 4/8",
        "decoding: tiled_decode",
        "saving",
    ]
    assert progress_text("loading", has_source=True) == "processing source"
    assert progress_text("encoding", has_source=True) == "processing source"


@pytest.mark.parametrize("text", ["retry after FAILURE", "Error: x", "", None])
def test_a_running_text_never_reads_as_a_failure(text: str | None) -> None:
    assert calm(text, "saving") == "saving"
