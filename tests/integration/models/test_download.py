"""Downloads by the real client of the hub, from a hub on loopback: whole, checked, resumed."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.models import record, registry
from tests.hub import COMMIT, Hub, a_hub

OWN = """
[made-up]
repo = "someone/made-up"
layout = "plain"
kind = "language"
licence = "CC0-1.0"
"""
WEIGHTS = bytes(range(256)) * 4000
# What the client of the hub writes at a time; it keeps only whole blocks of a connection that breaks.
BLOCK = 10 * 1024 * 1024
LARGE = bytes(range(256)) * (BLOCK // 256) + WEIGHTS


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "config.json").write_text('{"size": 1}')
    (folder / "modeling.py").write_text("raise SystemExit('remote code')")
    (folder / "pytorch_model.bin").write_bytes(b"pickled")
    (folder / "checkpoints" / "model.safetensors").write_bytes(b"of another model")
    return folder


@pytest.fixture
def hub(repo: Path) -> Iterator[Hub]:
    with a_hub({"someone/made-up": repo}) as hub:
        yield hub


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "models.toml").write_text(OWN)
    return folder


def start(models_dir: Path, hub: Hub | None, action: str, *arguments: str) -> "subprocess.Popen[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    endpoint = hub.url if hub is not None else "http://127.0.0.1:9"  # nobody listens there
    return subprocess.Popen(
        [sys.executable, "-m", "inference", "models", action, "--models-dir", str(models_dir), *arguments],
        env={**environment, "HF_ENDPOINT": endpoint, "HF_HOME": str(models_dir / "hf")},
        stderr=subprocess.PIPE,
        text=True,
    )


def run(
    models_dir: Path, action: str, *arguments: str, hub: Hub | None = None
) -> "subprocess.CompletedProcess[str]":
    process = start(models_dir, hub, action, *arguments)
    _, told = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, "", told)


def test_a_download_brings_safe_files_only_pins_the_commit_and_records_hashes(
    models_dir: Path, hub: Hub
) -> None:
    done = run(models_dir, "download", "made-up", hub=hub)
    assert done.returncode == 0, done.stderr
    assert "made-up: 1.0 MB, licence CC0-1.0" in done.stderr
    assert "are free" in done.stderr
    folder = models_dir / "made-up"
    assert {path.name for path in folder.iterdir()} == {".complete", "config.json", "model.safetensors"}
    kept = record.read(folder)
    assert kept is not None
    assert (kept.source, kept.repo, kept.revision) == ("huggingface", "someone/made-up", COMMIT)
    assert kept.files["model.safetensors"].sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert registry.is_on_disk(registry.find("made-up", models_dir), models_dir)
    assert not list((models_dir / ".unfinished").rglob("*"))


def test_what_is_there_is_not_brought_again(models_dir: Path, hub: Hub) -> None:
    assert run(models_dir, "download", "made-up", hub=hub).returncode == 0
    assert run(models_dir, "download", "made-up").returncode == 0


def test_a_cut_connection_is_taken_up_again(models_dir: Path, hub: Hub, repo: Path) -> None:
    (repo / "model.safetensors").write_bytes(LARGE)
    hub.cuts = [BLOCK + 5]
    done = run(models_dir, "download", "made-up", hub=hub)
    assert done.returncode == 0, done.stderr
    assert hub.ranges == [
        ("config.json", None),
        ("model.safetensors", None),
        ("model.safetensors", f"bytes={BLOCK}-"),
    ]


def test_a_killed_download_goes_on_where_it_stopped(models_dir: Path, hub: Hub, repo: Path) -> None:
    (repo / "model.safetensors").write_bytes(LARGE)
    hub.stall_after = BLOCK + 5
    killed = start(models_dir, hub, "download", "made-up")
    part = models_dir / ".unfinished" / "made-up" / COMMIT / ".model.safetensors.part"
    while not part.exists() or part.stat().st_size < BLOCK:
        assert killed.poll() is None
        time.sleep(0.02)
    killed.kill()
    killed.communicate()
    assert not (models_dir / "made-up").exists()
    hub.stall_after = None
    hub.ranges.clear()
    assert run(models_dir, "download", "made-up", hub=hub).returncode == 0
    assert hub.ranges == [("model.safetensors", f"bytes={BLOCK}-")]
    assert (models_dir / "made-up" / "model.safetensors").read_bytes() == LARGE


def test_a_hub_that_stops_answering_is_named(models_dir: Path, hub: Hub) -> None:
    hub.refuses = True
    broken = run(models_dir, "download", "made-up", hub=hub)
    assert broken.returncode == 1
    assert f"{hub.url} cannot be reached" in broken.stderr
    assert "goes on where it stopped" in broken.stderr
    assert "Traceback" not in broken.stderr


def test_a_file_with_a_wrong_hash_is_refused_and_fetched_anew(models_dir: Path, hub: Hub) -> None:
    hub.contents["model.safetensors"] = bytes(len(WEIGHTS))
    refused = run(models_dir, "download", "made-up", hub=hub)
    assert refused.returncode == 1
    assert "model.safetensors of made-up is not the file it should be" in refused.stderr
    assert not (models_dir / "made-up").exists()
    hub.contents.clear()
    assert run(models_dir, "download", "made-up", hub=hub).returncode == 0


def test_a_small_file_is_checked_by_its_git_hash(models_dir: Path, hub: Hub) -> None:
    hub.contents["config.json"] = b'{"size": 2}'
    refused = run(models_dir, "download", "made-up", hub=hub)
    assert refused.returncode == 1
    assert "config.json of made-up is not the file it should be" in refused.stderr


def test_a_hub_that_has_other_weights_than_the_table_is_refused_before_the_download(
    models_dir: Path, hub: Hub
) -> None:
    (models_dir / "models.toml").write_text(f'{OWN}sha256 = {{"model.safetensors" = "{"0" * 64}"}}\n')
    refused = run(models_dir, "download", "made-up", hub=hub)
    assert refused.returncode == 1
    assert "is not the file it should be" in refused.stderr
    assert hub.ranges == []


def test_a_disk_that_is_too_small_is_told_before_the_download(models_dir: Path, hub: Hub) -> None:
    hub.sizes["model.safetensors"] = 10**16
    refused = run(models_dir, "download", "made-up", hub=hub)
    assert refused.returncode == 1
    assert "the disk is too small: 10.0 PB are still needed" in refused.stderr
    assert hub.ranges == []


def test_without_a_network_the_text_says_what_to_do(models_dir: Path) -> None:
    refused = run(models_dir, "download", "made-up")
    assert refused.returncode == 1
    assert "cannot be reached" in refused.stderr
    assert "HF_ENDPOINT" in refused.stderr
    assert "Without internet" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ('repo = "someone/else"', "has no repository someone/else"),
        (f'repo = "someone/made-up"\nrevision = "{"a" * 40}"', "has no revision aaaa"),
    ],
)
def test_a_repository_or_revision_that_is_not_there_is_named(
    models_dir: Path, hub: Hub, entry: str, text: str
) -> None:
    (models_dir / "models.toml").write_text(f'[made-up]\n{entry}\nlayout = "plain"\nkind = "language"\n')
    refused = run(models_dir, "download", "made-up", hub=hub)
    assert refused.returncode == 1
    assert text in refused.stderr


def test_a_folder_of_this_machine_is_a_source(models_dir: Path, repo: Path, tmp_path: Path) -> None:
    usb = tmp_path / "usb"
    usb.mkdir()
    repo.rename(usb / "made-up")
    done = run(models_dir, "download", "made-up", "--source", str(usb))
    assert done.returncode == 0, done.stderr
    kept = record.read(models_dir / "made-up")
    assert kept is not None
    assert (kept.source, set(kept.files)) == (str(usb), {"config.json", "model.safetensors"})


def test_files_that_lie_in_place_are_checked_there_and_marked(models_dir: Path, repo: Path) -> None:
    repo.rename(models_dir / "made-up")
    done = run(models_dir, "download", "made-up", "--source", str(models_dir))
    assert done.returncode == 0, done.stderr
    assert (models_dir / "made-up" / "modeling.py").exists()
    assert registry.is_on_disk(registry.find("made-up", models_dir), models_dir)


def test_verify_finds_what_was_changed_and_what_does_not_belong(models_dir: Path, hub: Hub) -> None:
    assert run(models_dir, "download", "made-up", hub=hub).returncode == 0
    sound = run(models_dir, "verify")
    assert (sound.returncode, "all files as they were downloaded" in sound.stderr) == (0, True)
    weights = models_dir / "made-up" / "model.safetensors"
    weights.write_bytes(WEIGHTS[:-1] + b"x")
    (models_dir / "made-up" / "modeling.py").touch()
    changed = run(models_dir, "verify", "made-up")
    assert changed.returncode == 1
    assert "model.safetensors has other content, modeling.py does not belong there" in changed.stderr
    weights.write_bytes(b"short")
    assert "model.safetensors is missing or has another size" in run(models_dir, "verify").stderr
    assert "acestep-service models download made-up" in run(models_dir, "download", "made-up").stderr


def test_two_downloads_at_once_end_with_one_whole_folder(models_dir: Path, hub: Hub) -> None:
    both = [start(models_dir, hub, "download", "made-up") for _ in range(2)]
    assert [process.communicate(timeout=60) and process.returncode for process in both] == [0, 0]
    assert hub.fetched().count("model.safetensors") == 1
