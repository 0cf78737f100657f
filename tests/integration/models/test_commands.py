"""`acestep-service models` and the start of `acestep-api`, as an operator sees them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from inference.__main__ import bring_where_it_fits
from inference.diffusion.placement import Machine
from inference.models import registry
from tests.hub import a_hub

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


def start(data_dir: Path, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "ACESTEP_"))}
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env={**kept, "ACESTEP_DATA_DIR": str(data_dir), "HF_ENDPOINT": "http://127.0.0.1:9", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def command(data_dir: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    process = start(data_dir, *arguments, **environment)
    output, told = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, output, told)


def test_models_are_brought_and_listed(data_dir: Path) -> None:
    service = "app.cli.service"
    source = {"ACESTEP_DOWNLOAD_SOURCE": str(data_dir.parent / "usb")}
    brought = command(data_dir, service, "models", "download", "made-up", **source)
    assert brought.returncode == 0, brought.stderr
    listed = command(data_dir, service, "models", "list").stdout.splitlines()
    assert next(line for line in listed if line.startswith("made-up")).split()[1:] == [
        *("on", "this", "machine", "-", "CC0-1.0")
    ]


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


def test_a_download_ends_with_the_service_that_wanted_it(data_dir: Path) -> None:
    """An orphan would hold the lock for ever, for this hub never sends the rest."""
    repo = data_dir.parent / "usb" / "made-up"
    with a_hub({"someone/made-up": repo}) as hub:
        hub.stall_after = 3
        killed = start(data_dir, "app.cli.serve", "--config-path", "made-up", HF_ENDPOINT=hub.url)
        while not hub.ranges:
            assert killed.poll() is None
            time.sleep(0.02)
        killed.kill()
        killed.communicate()
        hub.stall_after = None
        brought = command(data_dir, "app.cli.service", "models", "download", "made-up", HF_ENDPOINT=hub.url)
    assert brought.returncode == 0, brought.stderr


def test_by_default_a_machine_without_an_accelerator_gets_no_language_model(data_dir: Path) -> None:
    configured = {"ACESTEP_CONFIG_PATH": "acestep-tiny-random", "ACESTEP_LM_MODEL_PATH": "made-up"}
    source = {"ACESTEP_DOWNLOAD_SOURCE": str(data_dir.parent / "usb"), "ACESTEP_DEVICE": "cpu"}
    for init, is_brought in (("auto", False), ("false", False), ("true", True)):
        done = command(
            data_dir, "app.cli.service", "models", "download", **configured, **source, ACESTEP_INIT_LLM=init
        )
        assert done.returncode == 0, done.stderr
        assert (data_dir / "models" / "made-up").exists() is is_brought


@pytest.mark.parametrize(
    ("memory_gb", "folder", "is_brought"), [(8, "usb", False), (24, "usb", True), (24, "no", False)]
)
def test_a_language_model_comes_where_it_fits_and_its_absence_stops_nothing(
    memory_gb: int, folder: str, is_brought: bool, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = Machine(device=Machine.look("cpu").device, memory_bytes=memory_gb * 10**9)
    monkeypatch.setattr(Machine, "look", lambda _: card)
    source, models_dir = str(data_dir.parent / folder), data_dir / "models"
    bring_where_it_fits("made-up", models_dir, source, Console(), device="auto")
    assert registry.is_on_disk(registry.find("made-up", models_dir), models_dir) is is_brought
