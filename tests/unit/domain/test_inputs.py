from pathlib import PurePosixPath
from typing import Any

import pytest

from app.domain.errors import ValidationError
from app.domain.inputs import Role, parse_audio_path
from tests.unit.domain.conftest import Parse

KEY = f"audio/{'0c5e' * 8}.mp3"
ENCODED = KEY.replace("/", "%2F")


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        "/" + KEY,
        f"  {KEY} ",
        f"/v1/audio?path={ENCODED}",
        f"/v1/audio?path={KEY}",
        f"/api/v1/audio?path=%2F{ENCODED}&download=x",
        f"http://localhost:8001/v1/audio?path={ENCODED}",
        f"https://any.host/below/v1/audio?path={ENCODED}#t=1",
    ],
)
def test_every_spelling_of_a_key(text: str) -> None:
    assert parse_audio_path(text) == KEY


@pytest.mark.parametrize("text", ["/etc/passwd", "/inputs/song.wav", f"/data/{KEY}", "/audio/short.mp3"])
def test_other_absolute_paths_are_of_the_server(text: str) -> None:
    assert parse_audio_path(text) == PurePosixPath(text)


@pytest.mark.parametrize(
    "text",
    [
        "song.wav",
        "../audio",
        f"file:///v1/audio?path={KEY}",
        f"ftp://host/v1/audio?path={KEY}",
        "http://169.254.169.254/latest/meta-data",
        "http://localhost/v1/audio",
        "http://localhost/v1/audio?path=/etc/passwd",
        f"http://localhost/v1/other?path={KEY}",
        "http://[::1/v1/audio?path=x",
        "s3://bucket/" + KEY,
        "/a\0b",
        "\\\\host\\share\\a.wav",
        KEY.upper(),
    ],
)
def test_all_else_is_not_available(text: str) -> None:
    with pytest.raises(ValidationError, match=r"^audio path not available$"):
        parse_audio_path(text)


@pytest.mark.parametrize("task", ["cover", "repaint"])
@pytest.mark.parametrize(
    ("body", "uploaded"), [({"src_audio_path": KEY}, []), ({}, [Role.SOURCE]), ({"ctxAudioPath": KEY}, [])]
)
def test_a_source_makes_the_task_possible(
    parse: Parse, task: str, body: dict[str, Any], uploaded: list[Role]
) -> None:
    submission = parse({"task_type": task} | body, uploaded=uploaded)
    assert submission.params["src_audio_path"] == next(iter(body.values()), None)


def test_a_reference_is_no_source(parse: Parse) -> None:
    with pytest.raises(ValidationError, match="needs a source audio"):
        parse({"task_type": "cover", "reference_audio_path": KEY}, uploaded=[Role.REFERENCE])


def test_a_file_overrides_its_path_even_a_bad_one(parse: Parse) -> None:
    body = {"src_audio_path": "/etc/passwd", "reference_audio_path": KEY}
    submission = parse(body, uploaded=[Role.SOURCE])
    assert submission.params["src_audio_path"] is None
    assert submission.params["reference_audio_path"] == KEY
    assert [(a.field, a.given, a.used) for a in submission.adjustments] == [
        ("src_audio_path", "/etc/passwd", None)
    ]


@pytest.mark.parametrize("blank", ["", "  ", None])
def test_a_blank_path_is_none(parse: Parse, blank: str | None) -> None:
    assert parse({"src_audio_path": blank}).params["src_audio_path"] is None


def test_a_source_gives_the_length_and_a_wish_is_recorded(parse: Parse) -> None:
    submission = parse({"task_type": "cover", "audio_duration": 30}, uploaded=[Role.SOURCE])
    assert submission.params["audio_duration"] is None
    assert ("audio_duration", 30, None) in [(a.field, a.given, a.used) for a in submission.adjustments]
