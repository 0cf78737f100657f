"""Filters of lists are read strictly: a value that cannot be would otherwise hide tasks."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from app.domain.errors import ValidationError
from app.domain.filters import Filters, is_filter, read_filters

ID = "550e8400-e29b-41d4-a716-446655440000"


def test_no_filters_show_everything() -> None:
    assert read_filters([]) == Filters()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("task_type", "cover", "cover"),
        ("model", "acestep-v15-turbo", "acestep-v15-turbo"),
        ("key_id", ID, UUID(ID)),
        ("created_after", "2026-03-01T12:00:00Z", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("created_before", "2026-03-01T12:00:00+02:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("finished_after", "2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("finished_before", "2026-03-01T12:00:00.5Z", datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)),
        ("seed", "4294967295", 2**32 - 1),
        ("error_code", "timeout", "timeout"),
        ("q", "summer rain", "summer rain"),
        ("parent_id", ID.upper(), UUID(ID)),
        ("sha256", "AB" * 32, "ab" * 32),
        ("team", ID, UUID(ID)),
    ],
)
def test_a_value_is_read(name: str, text: str, value: Any) -> None:
    assert is_filter(name)
    assert getattr(read_filters([(name, text)]), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("state", "done"),
        ("state", ""),
        ("task_type", "song"),
        ("model", "x\0"),
        ("model", "x" * 1025),
        ("key_id", "ace_123"),
        ("created_after", "yesterday"),
        ("created_after", "2026-03-01T12:00:00"),
        ("created_after", "0001-01-01T00:00:00+10:00"),
        ("created_after", "2026-03-01T12:00:00 02:00"),
        ("seed", "-1"),
        ("seed", "4294967296"),
        ("seed", "1.0"),
        ("seed", "٣"),
        ("error_code", "oops"),
        ("q", "  "),
        ("parent_id", "1"),
        ("sha256", "ab"),
        ("sha256", "x" * 64),
        ("team", "default"),
        ("label.", "x"),
        ("label." + "x" * 65, "x"),
        ("label.x", "x" * 257),
    ],
)
def test_a_value_that_cannot_be_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValidationError, match=name[:6]):
        read_filters([(name, text)])


def test_only_states_may_be_repeated() -> None:
    both = read_filters([("state", "running"), ("state", "queued"), ("state", "queued")])
    assert both.state == ("queued", "running")
    for name, text in (("seed", "1"), ("label.mood", "calm")):
        with pytest.raises(ValidationError, match="given twice"):
            read_filters([(name, text), (name, text)])


def test_labels_are_a_set() -> None:
    assert read_filters([("label.b", "2"), ("label.a", "1")]) == read_filters(
        [("label.a", "1"), ("label.b", "2")]
    )
