"""`acestep-service team` and `key`, as an operator types them, on a real database."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli.service import main
from app.domain.keys import PREFIX_CHARS, is_well_formed

Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Commands set up logging for a process of their own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def command(database_url: str) -> Command:
    environment = {"DATABASE_URL": database_url, "ACESTEP_KEY_PEPPER": "pepper", "COLUMNS": "160"}

    def run(*arguments: str) -> Result:
        return CliRunner(env=environment).invoke(main, arguments)

    return run


def tell(command: Command, *arguments: str) -> Any:
    result = command(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_team_is_made_shown_and_changed(command: Command) -> None:
    made = tell(command, "team", "create", "studio", "--max-queued", "5", "--weight", "2")
    assert (made["max_queued"], made["weight"], made["max_running"]) == (5, 2.0, None)
    changes = ("--max-queued", "none", "--max-running", "2", "--allowed-model", "a", "--rename", "hall")
    changed = tell(command, "team", "set", "studio", *changes)
    assert changed == made | {
        "name": "hall",
        "max_queued": None,
        "max_running": 2,
        "allowed_models": ["a"],
    }
    assert tell(command, "team", "show", "hall") == changed
    assert tell(command, "team", "set", "hall", "--allowed-model", "none")["allowed_models"] is None
    assert tell(command, "team", "disable", "hall")["disabled"]
    assert command("team", "enable", "hall").output == "team hall is enabled\n"
    shown = command("team", "show", "hall").output
    assert "max running" in shown
    listed = command("team", "list").output.splitlines()
    assert [line.split()[0] for line in listed] == ["name", "default", "hall"]


def test_a_key_is_made_rotated_and_ended(command: Command) -> None:
    result = command("key", "create", "default", "--name", "laptop")
    assert is_well_formed(result.stdout.strip()), "nothing but the key on standard output"
    assert "cannot be shown again" in result.stderr
    prefix = result.stdout[:PREFIX_CHARS]
    assert tell(command, "key", "show", prefix)["name"] == "laptop"
    successor = tell(command, "key", "rotate", prefix, "--overlap-hours", "1")
    assert is_well_formed(successor["key"])
    assert tell(command, "key", "show", prefix)["expires_at"] is not None
    assert command("key", "expire", successor["prefix"], "never").output.endswith("ends: never\n")
    assert tell(command, "key", "expire", successor["prefix"], "2h")["expires_at"] is not None
    assert "is revoked" in command("key", "revoke", prefix).output
    table = command("key", "list", "--team", "default").output
    assert table.count("revoked") == 1
    assert table.count("active") == 1
    assert successor["key"] not in table


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (("team", "create", "default"), 1, "a team named default exists already"),
        (("team", "create", "x", "--max-queued", "many"), 2, "neither a whole number nor 'none'"),
        (("team", "set", "default"), 2, "name at least one thing to change"),
        (("team", "set", "default", "--weight", "0"), 1, "weight: must be 0.001 to 1000"),
        (("team", "show", "nobody"), 1, "there is no team named nobody"),
        (("key", "create", "nobody"), 1, "there is no team named nobody"),
        (("key", "rotate", "ace_00000000"), 1, "key not found"),
        (("key", "rotate", "x", "--overlap-hours", "-1"), 2, "--overlap-hours"),
        (("key", "expire", "x", "soon"), 2, "expected 90d"),
    ],
)
def test_what_is_wrong_is_said(command: Command, arguments: tuple[str, ...], status: int, text: str) -> None:
    result = command(*arguments)
    assert (result.exit_code, text in result.output) == (status, True), result.output
