"""How a long copy shows itself: a bar on a terminal, lines elsewhere."""

import io

import pytest
from rich.console import Console

from inference.models import bar
from inference.models.bar import Bar, as_size


def test_sizes_read_as_people_write_them() -> None:
    assert (as_size(6_300_000_000), as_size(500)) == ("6.3 GB", "500 bytes")


def test_a_terminal_gets_a_bar() -> None:
    shown = io.StringIO()
    with Bar(Console(file=shown, force_terminal=True, width=100), "turbo", 2_000_000, done=500_000) as moving:
        moving.advance(1_000_000)
    assert "turbo" in shown.getvalue()
    assert "1.5/2.0 MB" in shown.getvalue()


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    with Bar(Console(file=shown, width=100), "turbo", 2_000_000) as moving:
        moving.advance(500_000)
        assert shown.getvalue() == ""
        monkeypatch.setattr(bar, "_LINE_EVERY_S", 0.0)
        moving.advance(1_000_000)
        moving.advance(-500_000)  # a part has to be fetched again
    assert shown.getvalue() == "turbo: 1.5 MB of 2.0 MB\nturbo: 1.0 MB of 2.0 MB\n"
