from pathlib import Path

import pytest

from inference import tiny
from inference.request import EngineOptions

MODEL = "acestep-tiny-random"
BASE = "acestep-tiny-random-base"


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with the tiny turbo checkpoint, and the base one beside it."""
    folder = tmp_path_factory.mktemp("models")
    tiny.build(folder / MODEL)
    tiny.build(folder / BASE, variant="base")
    return folder


@pytest.fixture
def engine_options(models_dir: Path) -> EngineOptions:
    return EngineOptions(models=(MODEL,), models_dir=str(models_dir), device="cpu")
