from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from inference import tiny
from inference.language_model.pt import PtBackend
from inference.language_model.tokens import Tokens

MODEL = "acestep-5Hz-lm-tiny-random"


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny language model."""
    return tiny.build_language_model(tmp_path_factory.mktemp("models") / MODEL)


@pytest.fixture(scope="session")
def tokens(model_folder: Path) -> Tokens:
    return Tokens(model_folder)


@pytest.fixture(scope="session")
def pt(model_folder: Path, tokens: Tokens) -> Iterator[PtBackend]:
    backend = PtBackend(model_folder, tokens, device=torch.device("cpu"))
    yield backend
    backend.close()
