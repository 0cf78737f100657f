"""Every parameter of the row reaches the engine, and every fact of the engine the row."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.db.tasks import ClaimedTask
from app.domain.task import TaskId, TeamId
from inference.language import LanguageOptions, LanguageRecord, Phase, Planning, Song
from inference.models.registry import COMPLETE_MARKER
from inference.request import GeneratedClip, GenerationRequest, GenerationResult, InputAudio, ItemSpec
from workers.language import offered_names
from workers.records import object_row, request_of, stored_result

SOURCE = InputAudio(path="/scratch/source", sha256="cd")
PARAMS: dict[str, Any] = {
    "prompt": "a prompt",
    "lyrics": "some words",
    "vocal_language": "ko",
    "bpm": 97,
    "key_scale": "F# minor",
    "time_signature": "6",
    "instruction": "Do it:",
    "seeds": [5, 6],
    "lm_seed": 7,
    "task_type": "text2music",
    "audio_duration": 33.5,
    "inference_steps": 13,
    "guidance_scale": 4.5,
    "shift": 2.5,
    "infer_method": "sde",
    "timesteps": [1.0, 0.5],
    "use_adg": True,
    "cfg_interval_start": 0.1,
    "cfg_interval_end": 0.9,
    "repainting_start": 1.5,
    "repainting_end": 2.5,
    "audio_cover_strength": 0.3,
    "track_name": "drums",
    "track_classes": ["bass", "drums"],
    "use_tiled_decode": False,
    "audio_format": "flac",
    "audio_code_string": "",
    "vocal_language_explicit": True,
    "thinking": True,
    "sample_mode": True,
    "sample_query": "a wish",
    "use_format": True,
    "use_cot_caption": False,
    "use_cot_language": False,
    "allow_lm_batch": False,
    "lm_model_path": "acestep-5Hz-lm-4B",
    "lm_backend": "vllm",
    "lm_temperature": 0.5,
    "lm_cfg_scale": 3.5,
    "lm_negative_prompt": "noise",
    "lm_top_k": 40,
    "lm_top_p": 0.8,
    "lm_repetition_penalty": 1.1,
    "constrained_decoding": False,
    "constrained_decoding_debug": True,
}
PLANNING = Planning(
    options=LanguageOptions(
        model="acestep-5Hz-lm-4B",
        backend="vllm",
        seed=7,
        temperature=0.5,
        cfg_scale=3.5,
        negative_prompt="noise",
        top_k=40,
        top_p=0.8,
        repetition_penalty=1.1,
        constrained=False,
        debug=True,
    ),
    thinking=True,
    sample_mode=True,
    sample_query="a wish",
    use_format=True,
    use_cot_caption=False,
    use_cot_language=False,
    language_is_explicit=True,
    batch=False,
)
CLIP = GeneratedClip(
    index=1,
    path="/scratch/1.flac",
    format="flac",
    size_bytes=10,
    sha256="ab",
    sample_rate=48000,
    channels=2,
    duration=33.48,
    seed=6,
    peak=0.5,
    silent=True,
)


def a_claim(**changes: Any) -> ClaimedTask:
    return ClaimedTask(
        id=TaskId(UUID(int=1)),
        team_id=TeamId(3),
        attempt=2,
        crashes=0,
        kind="generate",
        task_type="text2music",
        model="acestep-v15-base",
        params=PARAMS | changes,
        inputs=[],
    )


def test_every_parameter_reaches_the_engine() -> None:
    items = tuple(
        ItemSpec(
            prompt="a prompt",
            lyrics="some words",
            vocal_language="ko",
            bpm=97,
            keyscale="F# minor",
            timesignature="6",
            instruction="Do it:",
            seed=seed,
        )
        for seed in (5, 6)
    )
    assert request_of(a_claim(), Path("/scratch"), {"source": SOURCE}) == GenerationRequest(
        model="acestep-v15-base",
        task_type="text2music",
        items=items,
        duration=33.5,
        steps=13,
        guidance_scale=4.5,
        shift=2.5,
        infer_method="sde",
        timesteps=(1.0, 0.5),
        use_adg=True,
        cfg_interval=(0.1, 0.9),
        source=SOURCE,
        repaint_start=1.5,
        repaint_end=2.5,
        cover_strength=0.3,
        track_name="drums",
        track_classes=("bass", "drums"),
        use_tiled_decode=False,
        audio_format="flac",
        planning=PLANNING,
        scratch_dir="/scratch",
    )


def test_a_length_that_is_not_given_is_left_to_the_engine() -> None:
    assert request_of(a_claim(audio_duration=None), Path("/s"), {}).duration is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", [None, None]),
        ("<|audio_code_1|><|audio_code_63999|>", [(1, 63_999)] * 2),
        (["<|audio_code_1|>"], [(1,)] * 2),
        (["<|audio_code_1|>", "<|audio_code_2|>"], [(1,), (2,)]),
    ],
)
def test_every_clip_gets_its_codes(given: Any, expected: list[tuple[int, ...] | None]) -> None:
    items = request_of(a_claim(audio_code_string=given), Path("/s"), {}).items
    assert [item.audio_codes for item in items] == expected


def test_a_blank_instruction_is_none() -> None:
    assert request_of(a_claim(instruction=" "), Path("/s"), {}).items[0].instruction is None


@pytest.mark.parametrize("lyrics", ["", "[inst]", " [Instrumental] ", "[INSTRUMENTAL]"])
def test_the_spellings_of_instrumental_are_one(lyrics: str) -> None:
    assert request_of(a_claim(lyrics=lyrics), Path("/s"), {}).items[0].lyrics == "[Instrumental]"


def test_the_row_keeps_what_the_engine_told() -> None:
    batches = [{"texts_cut": [[]]}, {"texts_cut": [["lyrics"]]}]
    audit = {"revision": "r", "files": {"b": "2", "a": "1"}, "batches": batches}
    result = GenerationResult(clips=(CLIP,), audit=audit, seconds={"diffusing": 1.0}, effective={"steps": 13})
    stored = stored_result(a_claim(), result)
    assert (
        stored["items"][0] | {"bpm": 97, "keyscale": "F# minor", "seed": 6, "silent": True}
        == stored["items"][0]
    )
    assert stored["items"][0]["texts_cut"] == ["lyrics"]
    assert stored["dit_model"]["name"] == "acestep-v15-base"
    lines = b"1  a\n2  b\n"
    assert stored["dit_model"]["sha256"] == hashlib.sha256(lines).hexdigest()
    row = object_row(a_claim(), CLIP)
    assert row["storage_key"] == f"o/3/{UUID(int=1)}/2/1.flac"
    columns = {"item": 1, "seed": 6, "bytes": 10, "sha256": "ab", "duration_s": 33.48}
    assert columns.items() <= row.items()


def test_the_row_shows_the_song_of_the_language_model() -> None:
    song = Song(
        caption="bright pop", lyrics="[Verse]", bpm=97, keyscale="F# minor", language="ko", genres="pop"
    )
    phase = Phase(name="codes", backend="pt", seeds=(5, 6), tokens=6, seconds=0.5)
    record = LanguageRecord(
        model="acestep-5Hz-lm-4B",
        files={"a": "1"},
        backend_requested="vllm",
        backend_used="pt",
        fallback="vllm is not installed",
        phases=(phase,),
        written=replace(song, duration=33),
        codes=((1, 2, 3), (4, 5, 6)),
        notes=("a note",),
    )
    result = GenerationResult(
        clips=(CLIP,), song=song, language=record, seconds={"lm": 0.5, "diffusing": 1.0}
    )
    stored = stored_result(a_claim(), result)
    item = stored["items"][0]
    assert (item["prompt"], item["lyrics"], item["genres"]) == ("bright pop", "[Verse]", "pop")
    assert stored["lm_model"]["name"] == "acestep-5Hz-lm-4B"
    lm = stored["lm"]
    assert (lm["caption"], lm["lyrics"]) == ("bright pop", "[Verse]")
    assert lm["metas"] == {
        "bpm": 97,
        "keyscale": "F# minor",
        "language": "ko",
        "genres": "pop",
        "duration": 33,
    }
    assert (lm["codes"], lm["fallback"]) == (((1, 2, 3), (4, 5, 6)), "vllm is not installed")
    assert lm["phases"][0]["tokens"] == 6


def test_without_a_language_model_the_row_shows_the_users_text() -> None:
    song = Song(caption="", lyrics="[Instrumental]")
    stored = stored_result(a_claim(prompt="", lyrics=""), GenerationResult(clips=(CLIP,), song=song))
    assert (stored["items"][0]["lyrics"], stored["lm_model"], stored["lm"]) == ("", None, None)


def test_the_language_models_that_a_worker_may_offer(tmp_path: Path) -> None:
    def offered(init: bool | str, default: str = "acestep-5Hz-lm-0.6B") -> tuple[str, ...]:
        return offered_names(default, init=init, models_dir=tmp_path)

    tiny = "acestep-5Hz-lm-tiny-random"
    assert offered(False, tiny) == ()
    assert offered("auto", tiny) == offered(True, tiny) == (tiny,)
    assert (offered("auto"), offered(True)) == ((), ("acestep-5Hz-lm-0.6B",))
    (tmp_path / "acestep-5Hz-lm-4B").mkdir()
    (tmp_path / "acestep-5Hz-lm-4B" / COMPLETE_MARKER).touch()
    assert offered("auto") == ("acestep-5Hz-lm-4B",)
    assert offered(True) == ("acestep-5Hz-lm-0.6B", "acestep-5Hz-lm-4B")
