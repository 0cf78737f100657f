"""The timing script of the language model on the CPU with the tiny models, and the true sizes."""

import json
from pathlib import Path

import pytest
import torch

from tests.gpu import language_checkpoint, language_timing
from tests.gpu.checkpoint import on

pytestmark = pytest.mark.inference


@pytest.mark.usefixtures("one_thread")
def test_the_script_measures_and_tells_the_share(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "timing.json"
    language_timing.main(["--tiny", "--device=cpu", f"--out={out}", "--seconds=2", "--clips", "1", "9"])
    report = json.loads(out.read_text())
    assert [(row["clips"], row["codes"]) for row in report["codes"]] == [(1, 10), (9, 10)]
    assert all(row["seconds"] > 0 for row in report["codes"])
    assert set(report["job"]["phases"]) == {"metadata", "codes"}
    assert 0 < report["job"]["share_of_language_model"] < 1
    assert report["versions"]["torch"] == torch.__version__
    assert "language model" in capsys.readouterr().out


@pytest.mark.parametrize(("size", "millions"), [("0.6B", 663), ("1.7B", 1854), ("4B", 4190)])
def test_the_checkpoints_have_the_sizes_of_the_published_models(size: str, millions: int) -> None:
    network = on(torch.device("meta"), lambda: language_checkpoint.network(size))
    assert round(network.num_parameters() / 1e6) == millions
