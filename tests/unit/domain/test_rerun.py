"""From an old task to a new one: what is not named stays as it was, and the rules hold for the whole."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from app.domain.errors import ValidationError
from app.domain.history import StoredTask
from app.domain.offers import ModelOffer, Offers
from app.domain.rerun import Wish, derive, read_wish
from app.domain.task import Submission, TaskId, TaskStatus, TeamId
from tests.unit.domain.conftest import BASE, TURBO, Parse

SEEDS = [11, 22]
SOURCE = f"audio/{'ab' * 16}.wav"
INPUT = {
    "role": "source",
    "origin": "upload",
    "path": SOURCE,
    "storage_key": "i/1/x.wav",
    "sha256": "0" * 64,
    "bytes": 1,
    "duration": 3.0,
}


def stored(submission: Submission, *, inputs: list[dict[str, Any]] | None = None) -> StoredTask:
    """The task that a submission became."""
    now = datetime.now(UTC)
    batch = submission.params["batch_size"]
    return StoredTask(
        id=TaskId(uuid4()),
        team_id=TeamId(1),
        public_team_id=uuid4(),
        public_key_id=None,
        key_prefix=None,
        status=TaskStatus.FAILED,
        task_type=submission.params["task_type"],
        priority=submission.priority,
        request_id="r",
        idempotency_key=None,
        parent_id=None,
        parent_relation=None,
        legal_hold=False,
        created_at=now,
        first_started_at=None,
        started_at=None,
        finished_at=now,
        deleted_at=None,
        read_at=now,
        progress=0,
        stage=None,
        progress_text=None,
        requested_model=submission.requested_model,
        model=submission.params["model"],
        result={},
        error_code=None,
        error_message=None,
        request=submission.request,
        content_type=submission.content_type,
        params={**submission.params, "seeds": (SEEDS * 4)[:batch], "lm_seed": 99},
        adjustments=[],
        inputs=inputs or [],
        labels=submission.labels,
        client=None,
        webhook_url=submission.webhook_url,
        expires_at=None,
        queue_position=None,
        events=[],
        clips=[],
    )


def again(task: StoredTask, *, new_seeds: bool = False, lm: bool = True, **overrides: Any) -> Submission:
    offers = Offers(
        models=[ModelOffer(name=TURBO, category="turbo"), ModelOffer(name=BASE, category="base")],
        default_model=TURBO,
        lm_offered=lm,
        lm_names=["acestep-5Hz-lm-0.6B", "acestep-5Hz-lm-1.7B"],
        default_lm="acestep-5Hz-lm-0.6B",
    )
    wish = Wish(has_new_seeds=new_seeds, overrides=overrides)
    return derive(task, wish, offers, relation="rerun", request={"overrides": overrides})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prompt": "x", "bpm": 120, "audio_duration": 33.5, "batch_size": 3, "audio_format": "wav"},
        {"vocal_language": "de"},
        {"vocal_language": "unknown"},
        {"vocal_language": "klingon"},
        {"model": BASE, "guidance_scale": 3, "shift": 2, "use_adg": True, "inference_steps": 50},
        {"timesteps": "1,0.5,0.2", "time_signature": "6/8", "lm_top_p": 5},
        {"use_random_seed": False, "seed": "5,x", "thinking": True, "lm_model_path": "acestep-5Hz-lm-1.7B"},
        {"sample_query": "a sad song"},
        {"model": BASE, "task_type": "complete", "track_classes": "drums, bass", "src_audio_path": SOURCE},
        {"task_type": "repaint", "repainting_start": 1, "repainting_end": 2, "src_audio_path": SOURCE},
    ],
)
def test_nothing_named_is_nothing_changed(parse: Parse, body: dict[str, Any]) -> None:
    first = parse({**body, "labels": {"a": "b"}, "webhook_url": "https://x.example/"})
    inputs = [INPUT] if "src_audio_path" in body else []
    task = stored(first, inputs=inputs)
    second = again(task)
    assert second.origin is not None
    assert {**second.params, "src_audio_path": first.params["src_audio_path"]} == first.params
    assert second.adjustments == []
    assert (second.labels, second.webhook_url) == (first.labels, first.webhook_url)
    assert second.requested_model == first.requested_model
    assert (second.origin.task_id, second.origin.relation) == (task.id, "rerun")
    assert (second.origin.seeds, second.origin.lm_seed) == (task.params["seeds"], 99)
    assert [given.path for given in second.origin.inputs] == [each["path"] for each in inputs]
    assert second.params["src_audio_path"] is None, "it is among the inputs"


def test_new_seeds_are_all_drawn(parse: Parse) -> None:
    second = again(stored(parse({"use_random_seed": False, "seed": [1, 2]})), new_seeds=True)
    assert second.origin is not None
    assert (second.origin.seeds, second.origin.lm_seed) == (None, None)
    assert (second.params["use_random_seed"], second.params["seed"]) == (True, [None, None])


def test_a_larger_batch_keeps_the_old_seeds_first(parse: Parse) -> None:
    task = stored(parse({"use_random_seed": False, "seed": [1, 2]}))
    second, third = again(task, batch_size=4), again(task, batch_size=1)
    assert second.origin
    assert third.origin
    assert second.origin.seeds is not None
    assert (list(second.origin.seeds[:2]), len(second.origin.seeds)) == (SEEDS, 4)
    assert (third.origin.seeds, third.adjustments) == ([11], [])


def test_a_named_seed_is_used(parse: Parse) -> None:
    second = again(stored(parse({})), seed=[7, 8])
    assert second.origin
    assert (second.origin.seeds, second.origin.lm_seed) == (None, 99)
    assert (second.params["use_random_seed"], second.params["seed"]) == (False, [7, 8])
    drawn = again(stored(parse({"use_random_seed": False, "seed": 3})), use_random_seed=True)
    assert drawn.origin
    assert (drawn.origin.seeds, drawn.params["seed"]) == (None, [None, None])


def test_overrides_are_read_by_the_table(parse: Parse) -> None:
    task = stored(parse({"prompt": "old", "bpm": 120, "vocal_language": "de"}))
    second = again(task, prompt="new", bpm=None, inference_steps=500, audio_format=".FLAC")
    assert (second.params["prompt"], second.params["bpm"]) == ("new", None)
    assert (second.params["inference_steps"], second.params["audio_format"]) == (20, "flac")
    assert (second.params["vocal_language"], second.params["vocal_language_explicit"]) == ("de", True)
    assert [(each.field, each.given, each.used) for each in second.adjustments] == [
        ("inference_steps", 500, 20)
    ]
    assert second.request == {
        "overrides": {"prompt": "new", "bpm": None, "inference_steps": 500, "audio_format": ".FLAC"}
    }


def test_the_rules_hold_for_the_whole(parse: Parse) -> None:
    task = stored(parse({"prompt": "x"}))
    for overrides, text in (
        ({"task_type": "cover"}, "task_type cover needs a source audio"),
        ({"task_type": "lego"}, "task_type lego needs a base model"),
        ({"model": "other"}, "model other is not available"),
        ({"audio_format": "xls"}, "audio_format must be one of"),
        ({"src_audio_path": "/etc/passwd/../x", "task_type": 5}, "task_type must be one of"),
        ({"prompt": "x" * 5000}, "prompt is too long"),
    ):
        with pytest.raises(ValidationError, match=text):
            again(task, **overrides)
    other = again(task, model=BASE, guidance_scale=5)
    assert (other.params["model"], other.requested_model, other.params["guidance_scale"]) == (BASE, BASE, 5)


def test_another_source_takes_the_place_of_the_old_one(parse: Parse) -> None:
    task = stored(parse({"task_type": "cover", "src_audio_path": SOURCE}), inputs=[INPUT])
    other = f"audio/{'cd' * 16}.wav"
    second = again(task, src_audio_path=other)
    assert second.origin
    assert (second.params["src_audio_path"], list(second.origin.inputs)) == (other, [])
    with pytest.raises(ValidationError, match="needs a source audio"):
        again(task, src_audio_path=None)
    third = again(task, src_audio_path=None, task_type="text2music")
    assert third.origin
    assert list(third.origin.inputs) == []


def test_what_is_offered_no_longer_is_said(parse: Parse) -> None:
    with pytest.raises(ValidationError, match="needs a language model"):
        again(stored(parse({"thinking": True})), lm=False)
    plain = again(stored(parse({})), lm=False)
    assert (plain.params["use_cot_caption"], plain.adjustments[0].field) == (False, "use_cot_caption")


@pytest.mark.parametrize(
    ("fields", "wish"),
    [
        ({}, Wish()),
        ({"seeds": "same", "overrides": {}}, Wish()),
        ({"seeds": "new", "overrides": {"bpm": 3}}, Wish(has_new_seeds=True, overrides={"bpm": 3})),
    ],
)
def test_a_wish_is_read(fields: dict[str, Any], wish: Wish) -> None:
    assert read_wish(fields) == wish


@pytest.mark.parametrize(
    "fields",
    [
        {"seeds": None},
        {"seeds": "SAME"},
        {"overrides": None},
        {"overrides": "{}"},
        {"overrides": {"duration": 3}},
    ],
)
def test_a_wish_is_read_strictly(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read_wish(fields)
