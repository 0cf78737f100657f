import pytest

from app.domain.errors import ValidationError
from app.domain.wire_json import MAX_DEPTH, decode_json


def test_values_keep_their_types() -> None:
    value = decode_json('{"a":[1,1.5,"é",null,true]}')
    assert value == {"a": [1, 1.5, "é", None, True]}


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b'{"a":NaN}', b'{"a":1e999}', b'{"a":"\xff"}', b'{"a":"\\ud800"}', "[" * 100_000, "\ud800"],
)
def test_malformed(raw: bytes | str) -> None:
    with pytest.raises(ValidationError, match="malformed JSON"):
        decode_json(raw)


def test_depth_is_limited() -> None:
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert decode_json(deepest)
    with pytest.raises(ValidationError, match="deeper than 64"):
        decode_json(f"[{deepest}]")
    with pytest.raises(ValidationError, match="deeper than 64"):
        decode_json('{"a":' * 65 + "1" + "}" * 65)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert len(decode_json("[" + ",".join(["[]"] * 1000) + "]")) == 1000


@pytest.mark.parametrize("raw", [r'{"a":"x\u0000"}', r'{"a\u0000":1}', r'{"a":[{"b":"\u0000"}]}'])
def test_the_character_that_postgres_cannot_store(raw: str) -> None:
    with pytest.raises(ValidationError, match=r"U\+0000"):
        decode_json(raw)


def test_an_escaped_backslash_before_u0000_is_ordinary_text() -> None:
    assert decode_json(r'{"a":"\\u0000"}') == {"a": r"\u0000"}
