"""The timing script on the CPU with the tiny model, and the true sizes without their memory."""

import json
from pathlib import Path

import pytest
import torch

from tests.gpu import checkpoint, timing

pytestmark = pytest.mark.inference


@pytest.mark.usefixtures("one_thread")
def test_the_script_measures_every_cell_and_writes_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "timing.json"
    cell = "--durations 1 --batches 1 2 --modes eager --runs 1"
    timing.main(["--tiny", "--device=cpu", f"--out={out}", *cell.split()])
    report = json.loads(out.read_text())
    assert [(row["duration_s"], row["batch"]) for row in report["rows"]] == [(1, 1), (1, 2)]
    for row in report["rows"]:
        parts = row["encoding_s"] + row["diffusing_s"] + row["decoding_s"]
        assert parts == pytest.approx(row["seconds"], rel=0.05)
        assert min(row["bare_s"], row["mp3_s"], row["diffusing_s"], row["decoding_s"]) > 0
    printed = capsys.readouterr().out
    assert printed.count("| eager | 1 |") == 4, "each cell when it is done, and the table"
    assert report["versions"]["torch"] == torch.__version__


def test_memory_that_is_too_small_is_a_row_too() -> None:
    text = timing.table([timing.Row(mode="eager", duration_s=240.0, batch=8)])
    assert "| eager | 240 | 8 | out of memory |" in text


def test_the_checkpoint_has_the_sizes_of_the_published_model() -> None:
    millions = {
        name: round(
            sum(weights.numel() for weights in checkpoint.on(torch.device("meta"), make).parameters()) / 1e6
        )
        for name, make in checkpoint.COMPONENTS.items()
    }
    assert millions == {
        "transformer": 1575,
        "condition_encoder": 608,
        "audio_tokenizer": 105,
        "audio_token_detokenizer": 105,
        "vae": 169,
        "text_encoder": 596,
    }
