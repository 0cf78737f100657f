from pathlib import Path
from typing import Any

import pytest

from app.domain.errors import ConflictError, ValidationError
from app.domain.idempotency import Idempotency, read_idempotency
from app.domain.inputs import ReceivedFile, Role
from app.domain.task import TeamId


def read(
    header: str | None = "k",
    operation: str = "release_task",
    files: dict[Role, ReceivedFile] | None = None,
    **fields: Any,
) -> Idempotency | None:
    return read_idempotency(header, operation, fields, files or {}, team_id=TeamId(1), is_admin=False)


def digest(**given: Any) -> bytes:
    read_ = read(**given)
    assert read_ is not None
    return read_.digest


@pytest.mark.parametrize("header", ["", "  ", "x" * 256, "a\tb", "a\x7fb"])
def test_a_key_has_1_to_255_printable_characters(header: str) -> None:
    with pytest.raises(ValidationError, match="1 to 255 printable"):
        read(header)


def test_without_the_header_nothing_is_deduplicated() -> None:
    assert read(None) is None


def test_order_and_credentials_do_not_count() -> None:
    first = read("k", "o", a=1, b={"c": 2, "d": 3}, ai_token="x")
    second = read("k", "o", b={"d": 3, "c": 2}, a=1)
    assert first == second


def test_everything_else_counts() -> None:
    def a_file(sha256: str) -> ReceivedFile:
        return ReceivedFile(path=Path("x"), size_bytes=1, sha256=sha256)

    digests = {
        digest(),
        digest(prompt="a"),
        digest(prompt="b"),
        digest(prompt="a", operation="rerun 1"),
        digest(prompt="a", files={Role.SOURCE: a_file("1")}),
        digest(prompt="a", files={Role.SOURCE: a_file("2")}),
        digest(prompt="a", files={Role.REFERENCE: a_file("1")}),
    }
    assert len(digests) == 7


def test_another_request_is_a_conflict() -> None:
    key = read(prompt="a")
    assert key is not None
    key.check(digest(prompt="a"))
    with pytest.raises(ConflictError, match="another request"):
        key.check(digest(prompt="b"))
