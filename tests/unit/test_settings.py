"""Where values come from, what wins, and that a wrong one is named."""

import re
from pathlib import Path

import pytest

from app.settings import ConfigurationError, Settings, load

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)


def test_a_flag_wins_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("ACESTEP_API_PORT=1001\nACESTEP_QUEUE_MAXSIZE=7\nACESTEP_ENV=file\n")
    monkeypatch.setenv("ACESTEP_API_PORT", "1002")
    monkeypatch.setenv("ACESTEP_ENV", "environment")
    settings = load(api_port=1003, api_host=None)
    assert (settings.api_port, settings.env, settings.queue_maxsize) == (1003, "environment", 7)
    assert settings.api_host == "127.0.0.1"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ACESTEP_QUEUE_MAXSIZE", "many"),
        ("ACESTEP_API_PORT", "70000"),
        ("ACESTEP_PUBLIC_AUDIO", "perhaps"),
        ("ACESTEP_LM_BACKEND", "onnx"),
        ("ACESTEP_TASK_TIMEOUT", "0"),
        ("ACESTEP_MODEL_ALIASES", "no-mapping"),
        ("ACESTEP_METRICS_ALLOW_NETWORKS", "10.0.0.0/8,somewhere"),
        ("DATABASE_URL", "localhost:5432/acestep"),
        ("REDIS_URL", "http://localhost"),
        ("S3_ENDPOINT", "localhost:9000"),
        ("ACESTEP_INPUT_DIRS", "/inputs,relative"),
    ],
)
def test_a_wrong_value_stops_with_its_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable):
        load()


def test_a_flag_wins_over_a_secret_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from the file")
    monkeypatch.setenv("ACESTEP_API_KEY_FILE", str(tmp_path / "key"))
    assert load(api_key="from the flag").api_key.get_secret_value() == "from the flag"


def test_passwords_in_addresses_are_secrets_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:pass%2Fword@host/db")
    assert "pass/word" in load().secrets


def test_input_folders_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACESTEP_INPUT_DIRS", "/inputs, /more inputs,")
    assert load().input_folders == (Path("/inputs"), Path("/more inputs"))


def test_an_empty_value_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACESTEP_QUEUE_MAXSIZE", "")
    assert load().queue_limit == 200


def test_no_limit_is_written_as_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACESTEP_QUEUE_MAXSIZE", "0")
    assert load().queue_limit is None


def test_a_secret_comes_from_a_file_and_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("sk-secret\n")
    monkeypatch.setenv("ACESTEP_API_KEY_FILE", str(tmp_path / "key"))
    settings = load()
    assert settings.api_key.get_secret_value() == "sk-secret"
    assert "sk-secret" not in repr(settings)


def test_a_missing_secret_file_stops_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL_FILE", "/does/not/exist")
    with pytest.raises(ConfigurationError, match="DATABASE_URL_FILE"):
        load()


def test_another_engine_is_refused_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACESTEP_ENGINE", "tests.engines.StubEngine")
    monkeypatch.setenv("ACESTEP_ENV", "production")
    with pytest.raises(ConfigurationError, match="ACESTEP_ENGINE"):
        load()


def test_production_refuses_a_failpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILPOINT", "worker.after_claim")
    load()
    monkeypatch.setenv("ACESTEP_ENV", "production")
    with pytest.raises(ConfigurationError, match="FAILPOINT"):
        load()


def test_models_are_named_by_the_last_part_of_their_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACESTEP_CONFIG_PATH", "/checkpoints/acestep-v15-base")
    monkeypatch.setenv("ACESTEP_CONFIG_PATH2", "acestep-v15-turbo")
    assert load().models == ("acestep-v15-base", "acestep-v15-turbo")


@pytest.mark.parametrize("document", [".env.example", "docs/operations.md"])
def test_documents_name_exactly_the_variables_that_are_read(document: str) -> None:
    text = (ROOT / document).read_text()
    named = set(
        re.findall(
            r"\b(?:(?:ACESTEP|S3|PROMETHEUS|OTEL)_[A-Z0-9_]+|DATABASE_URL|REDIS_URL|T\w+_CACHE_DIR)\b", text
        )
    )
    read = {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert named - {"FAILPOINT"} == read


def test_defaults_in_the_example_are_the_real_ones() -> None:
    defaults = {}
    for line in (ROOT / ".env.example").read_text().splitlines():
        if match := re.fullmatch(r"#([A-Z0-9_]+)=(\S*)", line):
            defaults[match[1]] = match[2]
    for field in Settings.model_fields.values():
        default = field.get_default()
        shown = default.get_secret_value() if hasattr(default, "get_secret_value") else default
        expected = "" if shown is None else str(shown).lower() if isinstance(shown, bool) else str(shown)
        assert defaults[str(field.validation_alias)] == expected, field.validation_alias
