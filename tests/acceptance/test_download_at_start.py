"""`acestep-api` brings the weights that are missing, with its progress told, before the worker starts."""

from pathlib import Path

import httpx
import pytest

from inference import tiny
from tests.acceptance.conftest import Installation
from tests.hub import a_hub

pytestmark = pytest.mark.inference

OWN = '[from-the-hub]\nrepo = "someone/tiny"\nlayout = "diffusers"\nfamily = "turbo"\nlicence = "CC0-1.0"\n'


async def test_missing_weights_are_downloaded_before_the_worker_starts(
    installation: Installation, tmp_path: Path
) -> None:
    models_dir = installation.folder / "data" / "models"
    models_dir.mkdir(parents=True)
    (models_dir / "models.toml").write_text(OWN)
    checkpoint = tiny.build(tmp_path / "tiny")
    (checkpoint / ".complete").unlink()
    with a_hub({"someone/tiny": checkpoint}) as hub:
        environment = {"ACESTEP_CONFIG_PATH2": "from-the-hub", "HF_ENDPOINT": hub.url}
        async with installation.running(**environment):
            async with httpx.AsyncClient(base_url=installation.url, trust_env=False) as client:
                models = (await client.get("/v1/models")).json()["data"]["models"]
            assert [model["name"] for model in models] == ["acestep-tiny-random", "from-the-hub"]
    log = installation.log
    assert "licence CC0-1.0, revision c0ffee" in log
    assert log.index(f" MB from huggingface to {models_dir}") < log.index("worker ready")
    assert (models_dir / "from-the-hub" / ".complete").is_file()
