import string

import pytest

from app.domain.keys import PREFIX_CHARS, is_well_formed, key_digest, make_key


def test_a_key_has_the_documented_form() -> None:
    key = make_key()
    word, body, checksum = key.split("_")
    assert (word, len(body), len(checksum)) == ("ace", 43, 6)
    assert set(body + checksum) <= set(string.ascii_letters + string.digits)
    assert is_well_formed(key)


def test_the_checksum_of_a_known_key_never_changes() -> None:
    body = "ace_" + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"
    assert [tail for tail in ("2Qcmfd", "000000") if is_well_formed(f"{body}_{tail}")] == ["2Qcmfd"]


def test_every_changed_character_is_noticed() -> None:
    key = make_key()
    for at, character in enumerate(key):
        other = "x" if character != "x" else "y"
        assert not is_well_formed(key[:at] + other + key[at + 1 :]), at


@pytest.mark.parametrize(
    "change",
    [
        lambda key: "",
        lambda key: key[:-1],
        lambda key: key[: len(key) // 2],
        lambda key: key + "0",
        lambda key: key.replace("ace_", "ACE_"),
        lambda key: f"{key}\n",
        lambda key: key.replace(key[-1], "٣"),
        lambda key: key.replace("_", "-"),
        lambda key: "ace_" + "O0Il" * 10 + "abc_aaaaaa",
    ],
)
def test_other_texts_are_not_keys(change: object) -> None:
    assert callable(change)
    assert not is_well_formed(change(make_key()))


def test_keys_are_never_the_same_and_the_prefix_tells_them_apart() -> None:
    keys = {make_key() for _ in range(1000)}
    assert len(keys) == 1000
    assert len({key[:PREFIX_CHARS] for key in keys}) > 990


def test_the_digest_depends_on_the_pepper() -> None:
    assert key_digest(b"key", b"one") != key_digest(b"key", b"two")
