from pathlib import Path

import pytest

from inference import tiny

MODEL = "acestep-5Hz-lm-tiny-random"


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny language model."""
    return tiny.build_language_model(tmp_path_factory.mktemp("models") / MODEL)
