import pytest

from app.domain.errors import ValidationError
from app.domain.format_input import FormatWish, parse_format_wish
from app.domain.offers import Limits


def parse(**body: object) -> FormatWish:
    return parse_format_wish(body, Limits(prompt_chars=20))


def test_an_empty_request_has_defaults() -> None:
    assert parse() == FormatWish(
        prompt="",
        lyrics="",
        temperature=0.85,
        bpm=None,
        key_scale="",
        time_signature="",
        duration_s=None,
        vocal_language=None,
    )


def test_the_example_of_the_reference() -> None:
    wish = parse(
        prompt="pop rock",
        lyrics="Walking down the street",
        param_obj='{"duration": 180, "language": "en"}',
    )
    assert (wish.prompt, wish.duration_s, wish.vocal_language) == ("pop rock", 180.0, "en")


@pytest.mark.parametrize("name", ["key", "key_scale", "keyscale"])
def test_every_name_of_the_key_is_read(name: str) -> None:
    assert parse(param_obj={name: "C major"}).key_scale == "C major"


def test_the_object_wins_over_the_fields_beside_it() -> None:
    assert parse(param_obj={"bpm": 90}, bpm=120).bpm == 90
    assert parse(param_obj={"key": "Am"}, bpm=120).bpm == 120


def test_an_unreadable_object_is_empty() -> None:
    assert parse(param_obj="{broken", duration="33.5").duration_s == 33.5


@pytest.mark.parametrize(("given", "used"), [(-1, 0.0), ("5", 2.0), ("hot", 0.85), (1, 1.0)])
def test_temperature_is_lenient(given: object, used: float) -> None:
    assert parse(temperature=given).temperature == used


@pytest.mark.parametrize("body", [{"prompt": "x" * 21}, {"caption": ["x"]}, {"lyrics": {}}])
def test_texts_are_strict(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        parse(**body)
