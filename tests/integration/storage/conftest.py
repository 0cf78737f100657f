from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.domain.ports import ObjectStore
from app.storage.choose import choose_store
from tests.s3 import object_server


@pytest.fixture(scope="session")
def s3_values() -> Iterator[dict[str, Any]]:
    """A real endpoint where one is configured, else moto's server."""
    with object_server() as values:
        yield values


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty store of each kind."""
    if request.param == "folder":
        return choose_store(folder=tmp_path / "objects")
    values = request.getfixturevalue("s3_values")
    return choose_store(folder=tmp_path / "unused", bucket=f"acestep-test-{uuid4().hex}", **values)
