"""Flags of `acestep-api`: every documented spelling reaches its setting."""

from pathlib import Path
from typing import Any

import pytest

from app.cli.serve import main
from app.settings import Settings, load


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)


def settings_of(*arguments: str) -> Settings:
    with main.make_context("acestep-api", list(arguments)) as context:
        return load(**context.params)


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (["--host", "0.0.0.0"], "api_host", "0.0.0.0"),
        (["--api-host", "::1"], "api_host", "::1"),
        (["--port", "9000"], "api_port", 9000),
        (["--api-port", "9001"], "api_port", 9001),
        (["--config-path", "acestep-v15-base"], "config_path", "acestep-v15-base"),
        (["--lm-model-path", "acestep-5Hz-lm-4B"], "lm_model_path", "acestep-5Hz-lm-4B"),
        (["--init-llm"], "init_llm", True),
        (["--init-llm", "auto"], "init_llm", "auto"),
        (["--init-llm", "true"], "init_llm", True),
        (["--init-llm", "false"], "init_llm", False),
        (["--init-llm", "--port", "9000"], "init_llm", True),
        (["--no-init"], "no_init", True),
        ([], "no_init", False),
        (["--download-source", "modelscope"], "download_source", "modelscope"),
    ],
)
def test_a_flag_sets_its_value(arguments: list[str], field: str, value: Any) -> None:
    assert getattr(settings_of(*arguments), field) == value


def test_the_key_is_a_secret_from_the_start() -> None:
    settings = settings_of("--api-key", "boss")
    assert settings.api_key.get_secret_value() == "boss"
    assert "boss" not in repr(settings)


def test_no_init_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACESTEP_NO_INIT", "false")
    assert settings_of("--no-init").no_init is True
    monkeypatch.setenv("ACESTEP_NO_INIT", "true")
    assert settings_of().no_init is True
