from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from app.domain.errors import ValidationError
from app.domain.inputs import Role
from app.domain.task import Submission

Parse = Callable[..., Submission]

BASE = {"model": "acestep-v15-base"}
ONE_SECOND = "<|audio_code_0|><|audio_code_1|><|audio_code_0063999|><|audio_code_7|><|audio_code_8|>"
SILENT_FLAGS = {"use_cot_caption": False, "use_cot_language": False}


# Written out from the documents of the contract: a default that drifts must not pass.
DEFAULTS = {
    "prompt": "",
    "lyrics": "",
    "thinking": False,
    "sample_mode": False,
    "sample_query": "",
    "use_format": False,
    "model": "acestep-v15-turbo",
    "bpm": None,
    "key_scale": "",
    "time_signature": "",
    "audio_duration": None,
    "vocal_language": "en",
    "vocal_language_explicit": False,
    "inference_steps": 8,
    "guidance_scale": 1.0,  # 7.0, but turbo models use none
    "use_random_seed": True,
    "seed": [None, None],
    "batch_size": 2,
    "audio_code_string": "",
    "shift": 3.0,
    "infer_method": "ode",
    "timesteps": None,
    "use_adg": False,
    "cfg_interval_start": 0.0,
    "cfg_interval_end": 1.0,
    "audio_format": "mp3",
    "use_tiled_decode": True,
    "lm_model_path": "acestep-5Hz-lm-0.6B",
    "lm_backend": "vllm",
    "lm_temperature": 0.85,
    "lm_cfg_scale": 2.5,
    "lm_negative_prompt": "NO USER INPUT",
    "lm_top_k": None,
    "lm_top_p": 0.9,
    "lm_repetition_penalty": 1.0,
    "use_cot_caption": True,
    "use_cot_language": True,
    "constrained_decoding": True,
    "constrained_decoding_debug": False,
    "allow_lm_batch": True,
    "is_format_caption": False,
    "reference_audio_path": None,
    "src_audio_path": None,
    "task_type": "text2music",
    "instruction": "",
    "track_name": None,
    "track_classes": None,
    "repainting_start": 0.0,
    "repainting_end": None,
    "audio_cover_strength": 1.0,
}


def changes(submission: Submission) -> dict[str, tuple[Any, Any]]:
    return {a.field: (a.given, a.used) for a in submission.adjustments}


def test_an_empty_body_gives_every_canonical_key_its_default(parse: Parse) -> None:
    submission = parse({})
    assert submission.params == DEFAULTS
    assert submission.adjustments == []
    assert (submission.priority, submission.labels, submission.webhook_url) == (0, {}, None)
    assert submission.requested_model is None


def test_the_raw_request_is_kept_without_the_token(parse: Parse) -> None:
    body = {"ai_token": "secret", "prompt": "x", "unknown": [1], "thinking": None}
    assert parse(body).request == {"prompt": "x", "unknown": [1], "thinking": None}


def test_params_can_be_stored_as_json(parse: Parse) -> None:
    params = parse({"timesteps": "1,0.5", "seed": "1,2", "track_classes": "drums"}).params
    assert msgspec.json.decode(msgspec.json.encode(params)) == params


@pytest.mark.parametrize(
    ("field", "sent", "used"),
    [
        ("bpm", 20, 30),
        ("bpm", "301", 300),
        ("audio_duration", 5, 10.0),
        ("audio_duration", 601, 600.0),
        ("inference_steps", 0, 1),
        ("inference_steps", 201, 200),
        ("guidance_scale", 0.5, 1.0),
        ("guidance_scale", 31, 30.0),
        ("batch_size", 0, 1),
        ("batch_size", 9, 8),
        ("shift", 0, 1.0),
        ("shift", 9, 5.0),
        ("cfg_interval_start", -1, 0.0),
        ("cfg_interval_end", 2, 1.0),
        ("lm_temperature", -0.1, 0.0),
        ("lm_temperature", 3, 2.0),
        ("lm_cfg_scale", -1, 0.0),
        ("lm_cfg_scale", 11, 10.0),
        ("lm_repetition_penalty", 0.1, 0.5),
        ("lm_repetition_penalty", 3, 2.0),
        ("repainting_start", -601, -600.0),
        ("repainting_start", 601, 600.0),
        ("audio_cover_strength", -1, 0.0),
        ("audio_cover_strength", 1.5, 1.0),
    ],
)
def test_a_number_outside_is_clamped_and_recorded(parse: Parse, field: str, sent: Any, used: Any) -> None:
    submission = parse(BASE | {field: sent})
    assert submission.params[field] == used
    assert type(submission.params[field]) is type(used)
    assert changes(submission)[field] == (sent, used)


@pytest.mark.parametrize(("sent", "used"), [("", None), ("abc", None), (120.7, None), ([1], None)])
def test_an_unreadable_number_becomes_the_default_and_is_recorded(
    parse: Parse, sent: Any, used: None
) -> None:
    submission = parse({"bpm": sent})
    assert submission.params["bpm"] is used
    assert changes(submission)["bpm"] == (sent, used)


@pytest.mark.parametrize(
    ("field", "sent"),
    [("bpm", 0), ("bpm", -1), ("audio_duration", -1), ("lm_top_k", 0), ("repainting_end", "-1")],
)
def test_zero_and_below_mean_unset_without_a_record(parse: Parse, field: str, sent: Any) -> None:
    submission = parse({field: sent})
    assert submission.params[field] is None
    assert changes(submission) == {}


@pytest.mark.parametrize(("sent", "used"), [(1, 1.0), (1.5, 1.0), (0, 1.0), (-1, 1.0), (0.4, 0.4)])
def test_top_p_is_off_outside_of_zero_to_one(parse: Parse, sent: float, used: float) -> None:
    assert parse({"lm_top_p": sent}).params["lm_top_p"] == used


@pytest.mark.parametrize(
    ("field", "sent"),
    [
        ("task_type", "remix"),
        ("audio_format", "ogg"),
        ("infer_method", "euler"),
        ("lm_backend", "mlx"),
        ("model", "other"),
        ("model", ["acestep-v15-turbo"]),
        ("prompt", ["a"]),
        ("lyrics", {"a": 1}),
        ("labels", "x"),
    ],
)
def test_a_wrong_choice_is_refused(parse: Parse, field: str, sent: Any) -> None:
    with pytest.raises(ValidationError):
        parse({field: sent})


@pytest.mark.parametrize(
    ("field", "sent", "used"),
    [
        ("audio_format", ".WAV", "wav"),
        ("audio_format", "", "mp3"),
        ("infer_method", " SDE ", "sde"),
        ("task_type", "", "text2music"),
        ("time_signature", "4/4", "4"),
        ("time_signature", "6/8", "6"),
        ("time_signature", 3, "3"),
        ("time_signature", "5/4", "5/4"),
        ("key_scale", " Am", " Am"),
        ("track_classes", ["drums", " bass ", ""], ["drums", "bass"]),
        ("track_classes", " , ", None),
        ("prompt", 5, "5"),
        ("use_format", "mp3", False),
    ],
)
def test_spellings_of_allowed_values(parse: Parse, field: str, sent: Any, used: Any) -> None:
    assert parse({field: sent}).params[field] == used


@pytest.mark.parametrize(
    ("field", "longest"),
    [
        ("prompt", 4096),
        ("sample_query", 4096),
        ("lm_negative_prompt", 4096),
        ("instruction", 4096),
        ("lyrics", 16384),
        ("key_scale", 1024),
        ("track_name", 1024),
        ("track_classes", 1024),
        ("audio_code_string", 100_000),
    ],
)
def test_texts_have_a_length_limit(parse: Parse, field: str, longest: int) -> None:
    assert parse({field: "x" * longest})
    with pytest.raises(ValidationError, match=f"{longest + 1} of at most {longest}"):
        parse({field: "x" * (longest + 1)})


class TestModel:
    @pytest.mark.parametrize(
        ("sent", "used"),
        [
            ("", "acestep-v15-turbo"),
            ("acestep-v15-base", "acestep-v15-base"),
            ("acestep/acestep-v15-base", "acestep-v15-base"),
            ("studio", "acestep-v15-base"),
            ("acestep/studio", "acestep-v15-base"),
        ],
    )
    def test_names_and_aliases(self, parse: Parse, sent: str, used: str) -> None:
        submission = parse({"model": sent}, model_aliases={"studio": "acestep-v15-base"})
        assert submission.params["model"] == used
        assert submission.requested_model == (sent or None)

    def test_the_refusal_names_the_available_models(self, parse: Parse) -> None:
        with pytest.raises(ValidationError, match="available: acestep-v15-turbo, acestep-v15-base"):
            parse({"model": "other"})

    def test_without_any_model_nothing_can_run(self, parse: Parse) -> None:
        with pytest.raises(ValidationError, match="available: none"):
            parse({}, models=[], default_model=None)

    def test_turbo_takes_at_most_twenty_steps(self, parse: Parse) -> None:
        assert parse({"inference_steps": 50}).params["inference_steps"] == 20
        assert parse({"inference_steps": 50} | BASE).params["inference_steps"] == 50

    def test_turbo_ignores_guidance_and_says_so(self, parse: Parse) -> None:
        sent = {"guidance_scale": 5, "use_adg": True, "shift": 2}
        submission = parse(sent)
        assert (submission.params["guidance_scale"], submission.params["use_adg"]) == (1.0, False)
        assert set(changes(submission)) == set(sent)
        assert changes(parse(sent | BASE)) == {}


class TestSeeds:
    def test_the_wish_is_kept_by_place(self, parse: Parse) -> None:
        body = {"seed": "7, x,-1,8.9", "use_random_seed": "0", "batch_size": 4}
        assert parse(body).params["seed"] == [7, None, None, 8]

    def test_a_surplus_is_recorded(self, parse: Parse) -> None:
        submission = parse({"seed": [1, 2, 3], "use_random_seed": False, "batch_size": 2})
        assert submission.params["seed"] == [1, 2]
        assert changes(submission)["seed"] == ([1, 2, 3], [1, 2])

    def test_missing_ones_are_left_to_the_draw(self, parse: Parse) -> None:
        assert parse({"seed": 5, "use_random_seed": False}).params["seed"] == [5, None]

    def test_a_seed_beside_random_is_recorded_as_unused(self, parse: Parse) -> None:
        submission = parse({"seed": 5})
        assert submission.params["seed"] == [None, None]
        assert "seed" in changes(submission)
        assert changes(parse({"seed": -1})) == {}


class TestLanguage:
    @pytest.mark.parametrize(
        ("sent", "used", "is_explicit"),
        [
            ("pt-BR", "pt", True),
            ("ZH_cn", "zh", True),
            ("en", "en", True),
            ("yue", "yue", True),
            ("unknown", "unknown", False),
            ("", "en", False),
            ("  ", "en", False),
            (None, "en", False),
        ],
    )
    def test_known_codes(self, parse: Parse, sent: str | None, used: str, is_explicit: bool) -> None:
        submission = parse({"vocal_language": sent})
        assert submission.params["vocal_language"] == used
        assert submission.params["vocal_language_explicit"] is is_explicit
        assert changes(submission) == {}

    def test_an_unknown_code_is_recorded(self, parse: Parse) -> None:
        submission = parse({"language": "tlh"})
        assert changes(submission) == {"vocal_language": ("tlh", "unknown")}
        assert submission.params["vocal_language_explicit"] is False


class TestSchedule:
    def test_guidance_may_not_end_before_it_starts(self, parse: Parse) -> None:
        with pytest.raises(ValidationError, match="cfg_interval"):
            parse({"cfg_interval_start": 0.6, "cfg_interval_end": 0.5})
        assert parse({"cfg_interval_start": 0.5, "cfg_interval_end": 0.5})

    def test_a_repainted_part_has_a_length(self, parse: Parse) -> None:
        with pytest.raises(ValidationError, match="repainting_end"):
            parse({"repainting_start": 10, "repainting_end": 10})
        assert parse({"repainting_start": 10, "repainting_end": -1})

    def test_timesteps_decide_the_number_of_steps(self, parse: Parse) -> None:
        submission = parse({"timesteps": "0.9,0.5,0.2,0", "inference_steps": 8})
        assert submission.params["timesteps"] == [0.9, 0.5, 0.2]
        assert submission.params["inference_steps"] == 3
        assert changes(submission) == {"inference_steps": (8, 3)}


class TestCodes:
    def test_codes_are_dropped_without_thinking(self, parse: Parse) -> None:
        submission = parse({"audio_code_string": "<|audio_code_1|>"})
        assert submission.params["audio_code_string"] == ""
        assert changes(submission) == {"audio_code_string": ("<|audio_code_1|>", "")}

    @pytest.mark.parametrize("sent", [ONE_SECOND, [ONE_SECOND], [ONE_SECOND, "a <|audio_code_63999|>" * 5]])
    def test_one_text_or_one_per_clip(self, parse: Parse, sent: Any) -> None:
        params = parse({"audio_codes": sent, "thinking": True, "batch_size": 2}, lm_offered=False).params
        assert params["audio_code_string"] == sent

    @pytest.mark.parametrize(
        "sent",
        [
            [ONE_SECOND] * 3,
            [ONE_SECOND, ""],
            [ONE_SECOND] * 9,
            [[ONE_SECOND]],
            "12 34",
            "<|audio_code_|>",
            "<|audio_code_-1|>",
            "<|audio_code_64000|>",
            [ONE_SECOND, "<|audio_code_64000|>" * 5],
            [ONE_SECOND, "<|audio_code_1|>" * 4],
            f"<|audio_code_{'9' * 5000}|>",
            "<|audio_code_1|>" * 3001,
        ],
        ids=lambda sent: str(sent)[:40],
    )
    def test_other_codes_are_refused(self, parse: Parse, sent: Any) -> None:
        with pytest.raises(ValidationError, match="audio_code_string") as refused:
            parse({"audio_codes": sent, "thinking": True, "batch_size": 2})
        assert len(str(refused.value)) < 200

    @pytest.mark.parametrize(
        ("asked_s", "changed"), [(None, {}), (12, {}), (30, {"audio_duration": (30, 12.0)})]
    )
    def test_codes_give_the_length(self, parse: Parse, asked_s: int | None, changed: Any) -> None:
        submission = parse({"audio_codes": ONE_SECOND * 12, "thinking": True, "audio_duration": asked_s})
        assert submission.params["audio_duration"] == 12.0
        assert changes(submission) == changed

    @pytest.mark.parametrize("task", ["repaint", "lego", "extract", "complete"])
    def test_tasks_with_another_use_for_their_source_take_no_codes(self, parse: Parse, task: str) -> None:
        body = {"task_type": task, "audio_codes": ONE_SECOND, "thinking": True} | BASE
        submission = parse(body, uploaded={Role.SOURCE})
        assert submission.params["audio_code_string"] == ""
        assert changes(submission) == {"audio_code_string": (ONE_SECOND, "")}

    def test_a_cover_follows_codes_rather_than_a_source(self, parse: Parse) -> None:
        path = f"audio/{'0' * 32}.wav"
        body = {"task_type": "cover", "audio_codes": ONE_SECOND, "thinking": True, "src_audio_path": path}
        submission = parse(body)
        assert submission.params["audio_duration"] == 1.0
        assert changes(submission) == {"src_audio_path": (path, None)}

    def test_blank_codes_are_none(self, parse: Parse) -> None:
        assert parse({"audio_codes": ["", " "], "thinking": True}).params["audio_code_string"] == ""


class TestTask:
    @pytest.mark.parametrize("task", ["cover", "repaint", "lego", "extract", "complete"])
    def test_a_source_is_needed(self, parse: Parse, task: str) -> None:
        with pytest.raises(ValidationError, match=f"^task_type {task} needs a source audio$"):
            parse({"task_type": task} | BASE)

    @pytest.mark.parametrize("task", ["lego", "extract", "complete"])
    def test_some_tasks_need_a_base_model(self, parse: Parse, task: str) -> None:
        with pytest.raises(ValidationError, match="needs a base model; acestep-v15-turbo is turbo"):
            parse({"task_type": task})

    def test_a_cover_may_come_from_codes(self, parse: Parse) -> None:
        body = {"task_type": "cover", "thinking": True, "audio_codes": "<|audio_code_1|>"}
        assert parse(body, lm_offered=False).params["task_type"] == "cover"
        with pytest.raises(ValidationError, match="source audio"):
            parse(body | {"thinking": False})


class TestLanguageModel:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ({"thinking": "YES"}, "thinking"),
            ({"sample_mode": True}, "sample_mode"),
            ({"desc": "a song about rain"}, "sample_query"),
            ({"use_format": True}, "use_format"),
        ],
    )
    def test_a_needed_one_that_is_not_offered_is_refused(
        self, parse: Parse, body: dict[str, Any], reason: str
    ) -> None:
        with pytest.raises(ValidationError, match=f"^{reason} needs a language model"):
            parse(body, lm_offered=False, default_lm=None, lm_names=[])
        assert parse(body)

    def test_wanted_only_for_rewriting_it_is_switched_off(self, parse: Parse) -> None:
        submission = parse({}, lm_offered=False, default_lm=None, lm_names=[])
        assert submission.params["use_cot_caption"] is False
        assert changes(submission) == {
            "use_cot_caption": (True, False),
            "use_cot_language": (True, False),
        }
        assert changes(parse(SILENT_FLAGS, lm_offered=False)) == {}

    def test_a_query_turns_sample_mode_on(self, parse: Parse) -> None:
        assert parse({"description": "rain"}).params["sample_mode"] is True
        assert parse({"description": " "}).params["sample_mode"] is False

    def test_an_unknown_name_becomes_the_default(self, parse: Parse) -> None:
        submission = parse({"lm_model_path": "/models/lm"})
        assert changes(submission) == {"lm_model_path": ("/models/lm", "acestep-5Hz-lm-0.6B")}
        assert parse({"lmModelPath": "acestep-5Hz-lm-1.7B"}).params["lm_model_path"] == "acestep-5Hz-lm-1.7B"

    def test_the_default_backend_is_the_installations(self, parse: Parse) -> None:
        assert parse({}, default_lm_backend="pt").params["lm_backend"] == "pt"
        assert parse({"lm_backend": "VLLM"}, default_lm_backend="pt").params["lm_backend"] == "vllm"


def test_control_fields_are_read_from_the_body_only(parse: Parse) -> None:
    control = {"priority": 2, "labels": {"a": "b"}, "webhook_url": "https://example.org/"}
    direct = parse(control, max_priority=5)
    assert (direct.priority, direct.labels, direct.webhook_url) == (2, {"a": "b"}, "https://example.org/")
    carried = parse({"param_obj": control}, max_priority=5)
    assert (carried.priority, carried.labels, carried.webhook_url) == (0, {}, None)


def test_a_priority_above_the_teams_is_clamped_and_recorded(parse: Parse) -> None:
    submission = parse({"priority": 9}, max_priority=1)
    assert submission.priority == 1
    assert changes(submission) == {"priority": (9, 1)}


def test_the_record_shortens_long_values(parse: Parse) -> None:
    submission = parse({"audio_code_string": "x" * 50_000, "bpm": ["y" * 5000]})
    assert all(len(str(a.given)) <= 201 for a in submission.adjustments)
