import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.domain.ports import ObjectStore
from app.storage.choose import choose_store

# A process of its own, so that its memory and its warnings are not ours; it ends with its standard input.
MOTO = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture(scope="session")
def s3_values() -> Iterator[dict[str, Any]]:
    """A real endpoint where one is configured, else moto's server."""
    if endpoint := os.environ.get("S3_ENDPOINT"):
        yield {
            "endpoint": endpoint,
            "access_key": os.environ["S3_ACCESS_KEY"],
            "secret_key": os.environ["S3_SECRET_KEY"],
            "region": os.environ.get("S3_REGION", ""),
        }
        return
    with subprocess.Popen(
        [sys.executable, "-c", MOTO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = server.stdout.readline().decode().strip()
        yield {"endpoint": f"http://127.0.0.1:{port}", "access_key": "test", "secret_key": "testtest"}
        server.stdin.close()


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty store of each kind."""
    if request.param == "folder":
        return choose_store(folder=tmp_path / "objects")
    values = request.getfixturevalue("s3_values")
    return choose_store(folder=tmp_path / "unused", bucket=f"acestep-test-{uuid4().hex}", **values)
