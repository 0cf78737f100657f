"""L10, L15, L16: what the planner asks the language model for, and whose values count."""

import os
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from inference.errors import Cancelled, EngineError, LMNotAvailable, LMOutputInvalid, OutOfMemory
from inference.language import LanguageOptions, Planning
from inference.language_model.block import FIELDS, KEYSCALES, LANGUAGES, TIME_SIGNATURES
from inference.language_model.model import LanguageModel
from inference.language_model.offered import OfferedModels
from inference.language_model.planner import Planned, plan
from inference.language_model.steps import Steps
from inference.request import GenerationRequest, InputAudio, ItemSpec

pytestmark = pytest.mark.inference

RANDOM_REQUESTS = int(os.environ.get("PLANNED_REQUESTS", "30"))
OPTIONS = LanguageOptions(seed=11, cfg_scale=1.0)
EXPLICIT: dict[str, Any] = {
    "bpm": 97,
    "duration": 20.5,
    "keyscale": "Am",
    "timesignature": "6/8",
    "language": "fr",
}
EFFECTIVE = EXPLICIT | {"keyscale": "A minor", "timesignature": "6"}
SHORT_SONG = 155
"""A seed with which the model plans a song of a few seconds."""
NO_CODES: dict[str, Any] = {"use_cot_caption": False, "use_cot_language": False}


def request(
    *, n: int = 1, task_type: str = "text2music", source: bool = False, **given: Any
) -> GenerationRequest:
    """A job with the explicit values of `given`; its other names are those of `Planning`."""
    item = ItemSpec(
        prompt=given.pop("prompt", "pop"),
        lyrics=given.pop("lyrics", "la la"),
        vocal_language=given.get("language", "en"),
        bpm=given.pop("bpm", None),
        keyscale=given.pop("keyscale", ""),
        timesignature=given.pop("timesignature", ""),
        audio_codes=given.pop("audio_codes", None),
        seed=0,
    )
    return GenerationRequest(
        model="m",
        task_type=task_type,
        items=tuple(replace(item, seed=seed) for seed in range(n)),
        duration=given.pop("duration", None),
        source=InputAudio(path="p", sha256="0") if source else None,
        planning=Planning(
            options=given.pop("options", OPTIONS),
            language_is_explicit=given.pop("language", None) is not None,
            **given,
        ),
        scratch_dir="s",
    )


Run = Callable[[GenerationRequest], Planned]


@pytest.fixture
def run(offered: OfferedModels) -> Run:
    return lambda request: plan(request, offered.open, lambda *told: None, lambda: False)


def phases(planned: Planned) -> list[str]:
    return [phase.name for phase in planned.record.phases]


def values(planned: Planned) -> dict[str, Any]:
    """What the diffusion model is told."""
    first = planned.request.items[0]
    return {
        "bpm": first.bpm,
        "duration": planned.request.duration,
        "keyscale": first.keyscale,
        "timesignature": first.timesignature,
        "language": first.vocal_language,
    }


MODES: dict[str, dict[str, Any]] = {
    "completion": {},
    "sample": {"sample_query": "a song"},
    "format": {"use_format": True},
}
GIVEN = [{}, EXPLICIT, *({name: EXPLICIT[name]} for name in EXPLICIT)]


@pytest.mark.parametrize("given", GIVEN, ids=lambda given: "+".join(given) or "nothing")
@pytest.mark.parametrize("mode", MODES)
def test_explicit_values_win_and_the_rest_is_the_models(run: Run, mode: str, given: dict[str, Any]) -> None:
    planned = run(request(**MODES[mode], **given))
    written, told = planned.record.written, values(planned)
    for name in EXPLICIT:
        expected = EFFECTIVE[name] if name in given else getattr(written, name)
        assert told[name] == getattr(planned.song, name) == expected
    for name in given:
        # The model has planned with it, a length as whole seconds.
        assert getattr(written, name) == (20 if name == "duration" else EFFECTIVE[name])
    assert written.bpm in range(30, 301)
    assert written.duration in range(10, 601)
    assert written.keyscale in KEYSCALES
    assert written.timesignature in TIME_SIGNATURES
    assert written.language in LANGUAGES


@pytest.mark.parametrize("caption", [True, False])
@pytest.mark.parametrize("language", [True, False])
@pytest.mark.parametrize("given", [{}, EXPLICIT], ids=["nothing", "everything"])
def test_flags_decide_about_the_fields_of_a_completion(
    run: Run, caption: bool, language: bool, given: dict[str, Any]
) -> None:
    planned = run(request(use_cot_caption=caption, use_cot_language=language, **given))
    written = planned.record.written
    if given and not caption:
        assert phases(planned) == []  # nothing is missing: the language is given, too
        assert values(planned) == EFFECTIVE
        return
    assert phases(planned) == ["metadata"]
    assert bool(written.caption) == caption
    assert bool(written.language) == language
    assert planned.song.caption == "pop"
    assert planned.request.items[0].prompt == (written.caption or "pop")
    assert planned.request.items[0].lyrics == "la la"
    assert values(planned)["language"] == (EFFECTIVE["language"] if given else written.language or "en")


@pytest.mark.parametrize(
    ("mode", "steps"), [("sample", ["sample", "lyrics"]), ("format", ["format", "lyrics"])]
)
def test_texts_are_replaced_and_nothing_is_left_to_complete(run: Run, mode: str, steps: list[str]) -> None:
    planned = run(request(**MODES[mode]))
    item = planned.request.items[0]
    assert phases(planned) == steps
    assert item.prompt == planned.song.caption == planned.record.written.caption != "pop"
    assert item.lyrics == planned.song.lyrics != "la la"
    assert planned.song.genres == planned.record.written.genres != ""


def test_a_language_in_the_query_is_kept_below_an_explicit_one(run: Run) -> None:
    assert values(run(request(sample_query="sung in Korean")))["language"] == "ko"
    assert values(run(request(sample_query="sung in Korean", language="fr")))["language"] == "fr"


def test_sample_mode_without_a_query_writes_a_song_too(run: Run) -> None:
    assert phases(run(request(sample_mode=True, prompt="", lyrics=""))) == ["sample", "lyrics"]


def test_format_without_text_is_noted_and_not_done(run: Run) -> None:
    planned = run(request(use_format=True, prompt=" ", lyrics="[Instrumental]"))
    assert phases(planned) == ["metadata"]
    assert "use_format has no text to work on" in planned.record.notes


def test_format_beside_sample_mode_is_noted(run: Run) -> None:
    planned = run(request(sample_query="a song about rain", use_format=True))
    assert phases(planned)[0] == "sample"
    assert "format" not in phases(planned)
    assert any(note.startswith("use_format has no effect") for note in planned.record.notes)


def test_thinking_plans_codes_of_the_explicit_length(run: Run) -> None:
    planned = run(request(n=2, thinking=True, duration=10.5))
    assert phases(planned) == ["metadata", "codes"]
    first, second = (item.audio_codes for item in planned.request.items)
    assert first is not None
    assert second is not None
    assert len(first) == len(second) == 52
    assert first != second
    assert planned.record.codes == (first, second)
    assert planned.request.duration == 10.5
    assert planned.record.phases[-1].seeds == (0, 1)


def test_the_planned_length_and_language_reach_the_diffusion_model(run: Run) -> None:
    planned = run(request(thinking=True, options=replace(OPTIONS, seed=SHORT_SONG)))
    item = planned.request.items[0]
    assert planned.record.written.language == item.vocal_language != "en"
    assert planned.request.duration == planned.record.written.duration == len(item.audio_codes or ()) / 5
    assert f"duration: {planned.request.duration}" in planned.record.phases[0].text


def test_items_are_planned_alike_together_and_one_by_one(run: Run) -> None:
    wish: dict[str, Any] = {"thinking": True, "duration": 10.0, "options": replace(OPTIONS, cfg_scale=2.0)}
    together, alone = run(request(n=2, **wish)), run(request(n=2, batch=False, **wish))
    assert together.record.codes == alone.record.codes


def test_the_same_seeds_plan_the_same(run: Run) -> None:
    job = request(thinking=True, duration=10.0)
    first, second = run(job), run(job)
    assert first.request == second.request
    assert (
        run(replace(job, planning=replace(job.planning, options=replace(OPTIONS, seed=12)))).song
        != first.song
    )  # type: ignore[type-var]


def test_given_codes_are_kept_and_fix_the_length_in_the_plan(run: Run) -> None:
    planned = run(request(thinking=True, audio_codes=tuple(range(60)), duration=30.0))
    assert phases(planned) == ["metadata"]
    assert planned.request.items[0].audio_codes == tuple(range(60))
    assert planned.record.written.duration == 12
    assert planned.record.codes == ()


def test_a_key_that_the_model_does_not_know_goes_past_it(run: Run) -> None:
    planned = run(request(keyscale="something blue", timesignature="7/8"))
    assert values(planned)["keyscale"] == "something blue"
    assert values(planned)["timesignature"] == "7/8"
    assert planned.record.written.keyscale in KEYSCALES
    assert "keyscale 'something blue' is for the diffusion model only" in planned.record.notes


@pytest.mark.parametrize("task_type", ["cover", "repaint"])
def test_cover_and_repaint_never_ask_the_language_model(task_type: str) -> None:
    def open_steps(*_: object) -> Steps:
        raise AssertionError("asked")

    job = request(task_type=task_type, source=True, thinking=True, sample_mode=True, use_format=True)
    planned = plan(job, open_steps, lambda *told: None, lambda: False)
    assert planned.request == job
    assert planned.record.notes == tuple(
        f"{wish} has no effect on {task_type}" for wish in ("thinking", "sample_mode", "use_format")
    )


@pytest.mark.parametrize("task_type", ["lego", "extract", "complete"])
def test_tasks_with_a_source_are_completed_but_not_planned(run: Run, task_type: str) -> None:
    planned = run(request(task_type=task_type, source=True, thinking=True))
    assert phases(planned) == ["metadata"]
    assert planned.request.items[0].audio_codes is None
    assert planned.request.duration is None
    assert values(planned)["bpm"] is not None


FAILURES = [LMNotAvailable(), LMOutputInvalid(), OutOfMemory("no memory")]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
@pytest.mark.parametrize("wish", [{"thinking": True}, {"sample_mode": True}, {"use_format": True}], ids=str)
def test_a_step_that_is_needed_fails_the_job(wish: dict[str, bool], failure: EngineError) -> None:
    def open_steps(*_: object) -> Steps:
        raise failure

    with pytest.raises(type(failure)) as failed:
        plan(request(**wish), open_steps, lambda *told: None, lambda: False)
    assert failed.value is failure


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_a_completion_goes_on_without(failure: EngineError) -> None:
    def open_steps(*_: object) -> Steps:
        raise failure

    planned = plan(request(bpm=90), open_steps, lambda *told: None, lambda: False)
    assert planned.record.notes == (f"went on without the language model: {failure}",)
    assert (values(planned)["bpm"], planned.request.duration, phases(planned)) == (90, 60.0, [])


def test_an_answer_that_is_never_usable_is_asked_for_twice(run: Run) -> None:
    free = replace(OPTIONS, constrained=False, temperature=0.0)
    planned = run(request(options=free))
    assert planned.record.notes[-1].startswith("went on without the language model")
    (phase,) = planned.record.phases
    assert (phase.tries, phase.seeds) == (2, (12,))
    with pytest.raises(LMOutputInvalid):
        run(request(options=free, thinking=True))


def test_cancel_is_no_reason_to_go_on(offered: OfferedModels) -> None:
    with pytest.raises(Cancelled):
        plan(request(), offered.open, lambda *told: None, lambda: True)


def test_progress_counts_codes(offered: OfferedModels) -> None:
    told: list[tuple[Any, ...]] = []
    plan(
        request(n=2, thinking=True, duration=10.0),
        offered.open,
        lambda *report: told.append(report),
        lambda: False,
    )
    assert {stage for stage, _, _ in told} == {"lm"}
    counted = [(done, total) for _, done, total in told if total]
    assert counted == sorted(counted)
    assert counted[-1] == (100, 100)


def test_lyrics_that_are_too_long_are_cut_and_noted(run: Run) -> None:
    planned = run(request(lyrics="ab cd " * 1200, **NO_CODES))
    assert any("lyrics only" in note for note in planned.record.notes)
    assert planned.song.lyrics == "ab cd " * 1200


def test_codes_can_be_described(offered: OfferedModels) -> None:
    steps = offered.open(OPTIONS, lambda made, wanted: None, lambda: False)
    block, lyrics = steps.understand(range(50))
    assert tuple(block.values()) == FIELDS
    assert lyrics
    assert [phase.name for phase in steps.phases] == ["understand", "lyrics"]


def random_request(random: Random) -> tuple[GenerationRequest, dict[str, Any]]:
    """Any mode with any explicit values; the second is what has to come out."""
    given = {name: value for name, value in EXPLICIT.items() if name != "duration" and random.random() < 0.4}
    wishes = {
        "thinking": random.random() < 0.3,
        "sample_mode": random.random() < 0.2,
        "sample_query": random.choice(["", "", "", "a rap in Spanish", "pure music"]),
        "use_format": random.random() < 0.3,
        "use_cot_caption": random.random() < 0.5,
        "use_cot_language": random.random() < 0.5,
        "batch": random.random() < 0.5,
        "prompt": random.choice(["", "pop", "<|im_end|> 夜 `x`: y"]),
        "lyrics": random.choice(["", "[verse]\nla", "[Instrumental]"]),
        "audio_codes": random.choice([None, None, None, (1, 2, 3) * 20]),
        "options": LanguageOptions(
            seed=random.randrange(2**32),
            cfg_scale=random.choice([0.0, 1.0, 2.5]),
            temperature=random.choice([0.0, 0.85, 2.0]),
            top_k=random.choice([None, 0, 5]),
            top_p=random.choice([0.0, 0.9, 1.0]),
            repetition_penalty=random.choice([0.5, 1.0, 1.2]),
            negative_prompt=random.choice(["NO USER INPUT", "", "noise"]),
            backend=random.choice(["vllm", "pt"]),
        ),
    }
    # A length that is planned may be 600 s, and its codes take seconds here.
    if wishes["thinking"] or random.random() < 0.4:
        given["duration"] = random.choice([10.0, 10.9])
    task_type = random.choice(["text2music"] * 6 + ["cover", "repaint", "lego", "extract", "complete"])
    source = task_type != "text2music"
    if source:
        given.pop("duration", None)
        wishes["audio_codes"] = None
    job = request(n=random.randint(1, 3), task_type=task_type, source=source, **wishes, **given)
    return job, {name: EFFECTIVE[name] for name in given if name != "duration"}


def test_random_requests_keep_their_promises(run: Run, model: LanguageModel) -> None:
    random = Random(1)
    for _ in range(RANDOM_REQUESTS):
        job, explicit = random_request(random)
        planned = run(job)
        told = values(planned)
        assert {name: told[name] for name in explicit} == explicit
        assert told["duration"] == job.duration or job.duration is None
        assert len(planned.request.items) == len(job.items)
        assert [item.seed for item in planned.request.items] == [item.seed for item in job.items]
        codes = [item.audio_codes for item in planned.request.items]
        assert len({code and len(code) for code in codes}) == 1
        limit = model.tokens.vocabulary.codes
        assert all(0 <= code < limit for each in codes for code in each or ())
        thinks = job.planning is not None and job.planning.thinking and job.task_type == "text2music"
        assert (codes[0] is not None) == (thinks or job.items[0].audio_codes is not None)
