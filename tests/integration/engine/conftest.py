import ctypes
from pathlib import Path

import pytest
import torch

from inference import tiny
from inference.diffusion.pipeline import MusicPipeline
from inference.engine import Engine, make_engine
from inference.request import EngineOptions

MODEL = "acestep-tiny-random"
BASE = "acestep-tiny-random-base"


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with the tiny turbo checkpoint and the base one."""
    torch.set_num_threads(1)  # on a busy machine, threads of one operation only wait for each other
    _keep_freed_memory()
    folder = tmp_path_factory.mktemp("models")
    tiny.build(folder / MODEL)
    tiny.build(folder / BASE, variant="base")
    return folder


@pytest.fixture
def engine_options(models_dir: Path) -> EngineOptions:
    return EngineOptions(models=(MODEL,), models_dir=str(models_dir), device="cpu")


@pytest.fixture(scope="session")
def engine(models_dir: Path) -> Engine:
    """The real engine with both models in memory."""
    return make_engine(
        "",
        EngineOptions(models=(MODEL, BASE), models_dir=str(models_dir), device="cpu", max_loaded=2),
    )


@pytest.fixture(scope="session")
def turbo(models_dir: Path) -> MusicPipeline:
    return _pipeline(models_dir / MODEL)


@pytest.fixture(scope="session")
def base(models_dir: Path) -> MusicPipeline:
    return _pipeline(models_dir / BASE)


@pytest.fixture(params=["turbo", "base"])
def pipeline(request: pytest.FixtureRequest) -> MusicPipeline:
    """Either of the two."""
    found: MusicPipeline = request.getfixturevalue(request.param)
    return found


def _pipeline(folder: Path) -> MusicPipeline:
    return MusicPipeline.load(folder, device=torch.device("cpu"), dtype=torch.float32)


def _keep_freed_memory() -> None:
    """Have glibc reuse large blocks; else an encoder spends most of its time on new pages."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter in (-1, -3):  # thresholds in bytes, of trimming and of mmap
            mallopt(parameter, 2**31 - 1)
