"""The form's fields against the API's own description, and what a form sends."""

from typing import Any

import pytest
from playwright.async_api import Page

from app.domain.params import PARAMETERS, VOCAL_LANGUAGES
from tests.browser import call

pytestmark = pytest.mark.browser

OFFER = {"category": "base", "lm": True}


async def test_every_parameter_has_a_field_with_its_range_and_default(bare: Page) -> None:
    part = "({ name, least, most, standard }) => ({ name, least, most, standard })"
    script = f"m.fieldsOf(given).map({part}).concat({{ driven: m.DRIVEN }})"
    document = await (await bare.request.get("/openapi.json")).json()
    *fields, last = await call(bare, "studio/fields.js", script, document)
    shown = {field["name"]: field for field in fields}
    assert len(shown) == len(fields)
    assert {parameter.name for parameter in PARAMETERS} <= {*shown, *last["driven"]}
    assert {"priority", "labels", "webhook_url"} <= set(shown)
    for parameter in PARAMETERS:
        if parameter.name in shown:
            field = shown[parameter.name]
            assert (field.get("least"), field.get("most")) == (parameter.minimum, parameter.maximum)
            assert field.get("standard") in (parameter.default, str(parameter.default))


async def test_the_languages_and_steps_are_those_of_the_service(bare: Page) -> None:
    codes = await call(bare, "studio/widgets.js", "m.LANGUAGE_CODES")
    assert set(codes) | {"unknown"} == set(VOCAL_LANGUAGES) | {"unknown"}
    turbo = next(one.turbo_maximum for one in PARAMETERS if one.name == "inference_steps")
    assert await call(bare, "studio/form.js", "m.TURBO_STEPS") == turbo


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        ({"task": "text2music"}, {"task_type": "text2music", "thinking": True}),
        ({"task": "text2music", "offer": {"category": "turbo", "lm": False}}, {"task_type": "text2music"}),
        (
            {"task": "text2music", "touched": {"thinking": False}},
            {"task_type": "text2music", "thinking": False},
        ),
        (
            {"task": "text2music", "touched": {"seed": "7,-1", "repainting_start": 3}, "instrumental": True},
            {
                "task_type": "text2music",
                "thinking": True,
                "seed": "7,-1",
                "use_random_seed": False,
                "lyrics": "[inst]",
            },
        ),
        (
            {"task": "text2music", "describe": True, "touched": {"prompt": "p", "sample_query": "q"}},
            {"task_type": "text2music", "thinking": True, "sample_query": "q", "sample_mode": True},
        ),
        (
            {
                "task": "repaint",
                "touched": {"repainting_start": 3, "guidance_scale": 9},
                "sources": {"source": {"path": "/v1/audio?path=x"}},
                "offer": {"category": "turbo", "lm": True},
            },
            {"task_type": "repaint", "repainting_start": 3, "src_audio_path": "/v1/audio?path=x"},
        ),
        (
            {
                "task": "text2music",
                "sources": {"source": {"path": "unused"}, "reference": {"path": "r"}},
                "offer": {"category": "base", "lm": False},
            },
            {"task_type": "text2music", "reference_audio_path": "r"},
        ),
    ],
)
async def test_only_what_was_touched_and_fits_the_task_is_sent(
    bare: Page, form: dict[str, Any], sent: dict[str, Any]
) -> None:
    given = {"touched": {}, "offer": OFFER, **form}
    assert await call(bare, "studio/request.js", "m.buildRequest(given).fields", given) == sent


async def test_the_curl_line_holds_no_key_and_survives_quotes(bare: Page) -> None:
    line = await call(
        bare, "studio/request.js", "m.curlOf('http://h', {fields: {prompt: given}, files: {}})", "it's $(x)"
    )
    assert "$ACESTEP_API_KEY" in line
    assert "'{\"prompt\":\"it'\\''s $(x)\"}'" in line


@pytest.mark.parametrize(
    ("text", "fault"),
    [("0.9, 0.5, 0", None), ("0.5,0.9", "falling"), ("2", "range"), ("0", "count"), ("a", "range")],
)
async def test_a_schedule_is_checked_while_it_is_written(bare: Page, text: str, fault: str | None) -> None:
    assert await call(bare, "studio/request.js", "m.timestepsFault(given)", text) == fault


@pytest.mark.parametrize(
    ("at", "mode", "snapped"),
    [
        (25_000, "beat", 24_000),
        (25_000, "bar", 0),
        (25_000, "tenth", 24_000),
        (2000, "frame", 1920),
        (7, "off", 7),
    ],
)
async def test_positions_snap_to_whole_samples(bare: Page, at: int, mode: str, snapped: int) -> None:
    tempo = {"bpm": 120, "beats": 4, "offset": 0}
    assert await call(bare, "audio/snap.js", "m.snap(...given)", [at, mode, tempo]) == snapped


async def test_an_unready_answer_is_asked_again_and_a_quota_is_not(bare: Page) -> None:
    script = """(async () => {
      const { ApiError, NoAnswer } = await import("/web/lib/errors.js");
      const after = (status, text, retryAfter) =>
        m.secondsUntilNext(new ApiError({ status, code: status, text, retryAfter }), 0);
      return [
        after(429, "queue is full", 12), after(429, "the daily audio quota", 12), after(429, "full", 3600),
        after(400, "bpm", null), after(503, "away", null) > 0, m.secondsUntilNext(new NoAnswer("x"), 0) > 0,
      ];
    })()"""
    assert await call(bare, "studio/submit.js", script) == [12, None, None, None, True, True]
