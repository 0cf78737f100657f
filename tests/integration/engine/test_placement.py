"""Placements on the tiny model: the hooks of an offload are real on the CPU too, only nothing moves."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.diffusion.loaded import LoadedModels
from inference.diffusion.pipeline import MusicPipeline
from inference.diffusion.placement import FLASH, Machine, Placement
from inference.diffusion.plan import Sampling
from inference.engine import locate
from inference.errors import Cancelled, ModelLoadError
from inference.request import ItemSpec

pytestmark = pytest.mark.inference

MODEL = "acestep-tiny-random"
CPU = torch.device("cpu")
ITEMS = (ItemSpec(prompt="calm piano", lyrics="la", seed=3), ItemSpec(prompt="loud rock", lyrics="", seed=4))


def placed(models_dir: Path, **placement: object) -> tuple[MusicPipeline, Placement]:
    pipeline = MusicPipeline.load(models_dir / MODEL, device=CPU, dtype=torch.float32)
    return pipeline, Placement(device=CPU, dtype=torch.float32, **placement).apply(pipeline)  # type: ignore[arg-type]


def samples_of(
    pipeline: MusicPipeline, placement: Placement, *, should_cancel: Callable[[], bool] = lambda: False
) -> np.ndarray:
    with placement.computing(pipeline):
        denoised = pipeline.denoise(
            ITEMS,
            duration_s=1.0,
            sampling=Sampling(steps=2, shift=3.0),
            on_progress=lambda stage, done, total: None,
            should_cancel=should_cancel,
        )
    samples: np.ndarray = pipeline.decode(denoised.latents).numpy()
    return samples


@pytest.fixture(scope="module")
def expected(models_dir: Path) -> np.ndarray:
    return samples_of(*placed(models_dir))


@pytest.mark.parametrize("offload", ["models", "transformer"])
def test_offload_changes_no_sample_and_survives_a_cancel(
    models_dir: Path, expected: np.ndarray, offload: str
) -> None:
    pipeline, placement = placed(models_dir, offload=offload)
    assert placement.offload == offload
    assert np.array_equal(samples_of(pipeline, placement), expected)
    answers: Iterator[bool] = iter([False, True])
    with pytest.raises(Cancelled):
        samples_of(pipeline, placement, should_cancel=lambda: next(answers, True))
    assert np.array_equal(samples_of(pipeline, placement), expected)


def test_a_component_that_is_read_outside_of_its_call_is_not_offloaded(models_dir: Path) -> None:
    pipeline, _ = placed(models_dir, offload="models")
    hooked = {name for name, part in pipeline.components.items() if hasattr(part, "_hf_hook")}
    assert hooked == {"text_encoder", "condition_encoder", "audio_token_detokenizer", "transformer", "vae"}


def test_flash_attention_that_cannot_be_used_falls_back_and_says_so(
    models_dir: Path, expected: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline, placement = placed(models_dir, attention=FLASH)
    assert placement.attention == "native"
    assert "flash attention cannot be used" in caplog.text
    assert np.array_equal(samples_of(pipeline, placement), expected)


def test_compiled_blocks_give_the_same_music(
    models_dir: Path, expected: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The compiler's own tracing, without the minute that its C++ takes.
    compile_module = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, **options: compile_module(self, backend="eager", **options)
    )
    pipeline, placement = placed(models_dir, compiled=True)
    assert placement.compiled
    assert float(np.abs(samples_of(pipeline, placement) - expected).max()) < 1e-5


@pytest.fixture
def models(models_dir: Path) -> LoadedModels:
    return LoadedModels(
        Placement(device=CPU, dtype=torch.float32),
        limit=2,
        locate=lambda name: locate(name, models_dir),
        free_memory=lambda: None,
    )


def test_the_least_recently_used_model_makes_way(models: LoadedModels, models_dir: Path) -> None:
    third = models_dir / "models.toml"
    third.write_text(f'[third]\nfolder = "{models_dir / MODEL}"\nfamily = "turbo"\n')
    turbo = models.use(MODEL)
    models.use("acestep-tiny-random-base")
    assert models.use(MODEL) is turbo
    models.use("third")
    assert models.names == (MODEL, "third")
    third.unlink()


def test_a_model_that_cannot_be_loaded_is_not_held(
    models: LoadedModels, models_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    own = models_dir / "models.toml"
    own.write_text(f'[broken]\nfolder = "{tmp_path}"\nfamily = "turbo"\n')
    with pytest.raises(ModelLoadError):
        models.use("broken")
    own.unlink()
    assert models.names == ()


def test_this_machine_is_looked_at() -> None:
    machine = Machine.look("cpu")
    assert (machine.device, machine.memory_bytes) == (CPU, None)
