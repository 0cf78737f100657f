from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from inference import tiny
from inference.language_model.model import LanguageModel
from inference.language_model.offered import OfferedModels
from inference.language_model.pt import PtBackend
from inference.language_model.tokens import Tokens
from inference.models import registry

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


@pytest.fixture(scope="session")
def offered(model_folder: Path) -> Iterator[OfferedModels]:
    """The tiny language model, as an engine offers it."""
    models = OfferedModels(
        [MODEL], locate=lambda name: (registry.find(name), model_folder), device=torch.device("cpu")
    )
    yield models
    models.close()


@pytest.fixture(scope="session")
def model(offered: OfferedModels) -> LanguageModel:
    return offered.load().model
