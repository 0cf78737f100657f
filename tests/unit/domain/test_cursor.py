"""A cursor opens the rest of its own list, and nothing else."""

import base64
import secrets
from uuid import uuid4

import pytest

from app.domain.cursor import Cursors
from app.domain.errors import ValidationError

CURSORS = Cursors(b"pepper")
LAST = uuid4()


def test_it_leads_back_to_where_it_was_made() -> None:
    cursor = CURSORS.make(LAST, b"list")
    assert CURSORS.read(cursor, b"list") == LAST
    assert set(cursor) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def changed(cursor: str, place: int) -> str:
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    raw[place] ^= 1
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "=",
        "é",
        "a b",
        "\0",
        CURSORS.make(LAST, b"other list"),
        Cursors(b"other pepper").make(LAST, b"list"),
        CURSORS.make(LAST, b"list") + "AAAA",
        CURSORS.make(LAST, b"list")[:-4],
        secrets.token_urlsafe(32),
        base64.urlsafe_b64encode(LAST.bytes).decode(),
        *(changed(CURSORS.make(LAST, b"list"), place) for place in (0, 15, 16, 31)),
    ],
)
def test_any_other_text_is_refused(cursor: str) -> None:
    with pytest.raises(ValidationError, match="does not belong to this list"):
        CURSORS.read(cursor, b"list")
