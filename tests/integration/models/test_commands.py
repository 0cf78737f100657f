"""`acestep-service models` and the start of `acestep-api`, as an operator sees them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

OWN = '[made-up]\nrepo = "someone/made-up"\nlayout = "plain"\nkind = "language"\nlicence = "CC0-1.0"\n'


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    models_dir = tmp_path / "data" / "models"
    models_dir.mkdir(parents=True)
    (models_dir / "models.toml").write_text(OWN)
    source = tmp_path / "usb" / "made-up"
    source.mkdir(parents=True)
    (source / "model.safetensors").write_bytes(b"weights")
    return tmp_path / "data"


def command(data_dir: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "ACESTEP_"))}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env={**kept, "ACESTEP_DATA_DIR": str(data_dir), "HF_ENDPOINT": "http://127.0.0.1:9", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_models_are_listed_brought_and_verified(data_dir: Path) -> None:
    service = "app.cli.service"
    listed = command(data_dir, service, "models", "list").stdout.splitlines()
    assert "not on this machine" in next(line for line in listed if line.startswith("made-up"))
    source = {"ACESTEP_DOWNLOAD_SOURCE": str(data_dir.parent / "usb")}
    brought = command(data_dir, service, "models", "download", "made-up", **source)
    assert brought.returncode == 0, brought.stderr
    listed = command(data_dir, service, "models", "list").stdout.splitlines()
    assert next(line for line in listed if line.startswith("made-up")).split()[1:] == [
        *("on", "this", "machine", "-", "CC0-1.0")
    ]
    verified = command(data_dir, service, "models", "verify")
    assert (verified.returncode, verified.stderr) == (0, "made-up: all files as they were downloaded\n")


def test_the_service_does_not_start_without_weights_and_says_what_to_do(data_dir: Path) -> None:
    """Nothing else was started before: no server, no folder of a database."""
    refused = command(data_dir, "app.cli.serve", "--config-path", "acestep-v15-turbo", "--port", "1")
    assert refused.returncode == 1
    assert "http://127.0.0.1:9 cannot be reached" in refused.stderr
    assert "Without internet" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert [path.name for path in data_dir.iterdir()] == ["models"]


def test_a_name_that_nobody_knows_ends_the_start(data_dir: Path) -> None:
    refused = command(data_dir, "app.cli.serve", "--config-path", "acestep-v9", "--port", "1")
    assert refused.returncode == 1
    assert "model 'acestep-v9' is not known; known models: acestep-tiny-random, " in refused.stderr
    assert "made-up" in refused.stderr
