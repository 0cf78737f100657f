"""T16 of the tests of the diffusion engine: the tiny checkpoint."""

import subprocess
import sys
from pathlib import Path

import pytest

from inference import tiny
from inference.models.record import hash_files
from inference.models.registry import COMPLETE_MARKER

pytestmark = pytest.mark.inference

_BUILD = "import sys, pathlib; from inference import tiny; tiny.build(pathlib.Path(sys.argv[1]))"


def test_two_builds_have_equal_files_and_variants_differ_in_the_config(tmp_path: Path) -> None:
    first = hash_files(tiny.build(tmp_path / "first"))
    second = hash_files(tiny.build(tmp_path / "second"))
    base = hash_files(tiny.build(tmp_path / "base", variant="base"))
    assert len(first) == 16
    assert first == second
    assert [name for name in first if first[name] != base[name]] == ["transformer/config.json"]


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    first = hash_files(tiny.build(tmp_path / "first"))
    other = hash_files(tiny.build(tmp_path / "other", seed=1))
    name = "transformer/diffusion_pytorch_model.safetensors"
    assert first[name] != other[name]


def test_two_processes_may_build_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "tiny"
    builders = [subprocess.Popen([sys.executable, "-c", _BUILD, str(folder)]) for _ in range(2)]
    assert [builder.wait(120) for builder in builders] == [0, 0]
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]
    assert hash_files(folder) == hash_files(tiny.build(tmp_path / "alone"))


def test_a_complete_folder_is_left_and_an_incomplete_one_replaced(tmp_path: Path) -> None:
    folder = tiny.build(tmp_path / "tiny")
    index = folder / "model_index.json"
    written_at = index.stat().st_mtime_ns
    assert tiny.build(folder) == folder
    assert index.stat().st_mtime_ns == written_at
    (folder / COMPLETE_MARKER).unlink()
    index.write_text("half")
    tiny.build(folder)
    assert "AceStepPipeline" in index.read_text()
