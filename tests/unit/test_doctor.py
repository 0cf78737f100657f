"""`acestep-service doctor` on a machine where nothing runs yet."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli.service import main
from app.settings import Settings


@pytest.fixture(autouse=True)
def _fresh_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.setenv("ACESTEP_CONFIG_PATH", "acestep-tiny-random")


def test_what_is_missing_is_said_with_a_remedy_and_the_status() -> None:
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 1
    assert "no database runs" in " ".join(done.output.split())
    assert "→ start acestep-api" in done.output
    assert not list(Path.cwd().iterdir())  # looking changes nothing


def test_for_scripts_there_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://someone:hidden-word@127.0.0.1:1/none")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    done = CliRunner().invoke(main, ["doctor", "--json"])
    found = {finding["check"]: finding for finding in json.loads(done.output)}
    assert (done.exit_code, found["postgres"]["health"]) == (1, "fail")
    assert (found["configuration"]["health"], found["key pepper"]["health"]) == ("ok", "warn")
    assert "hidden-word" not in done.output
