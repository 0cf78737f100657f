"""An S3 endpoint for tests: a real one where one is configured, else moto's server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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


@contextmanager
def object_server() -> Iterator[dict[str, Any]]:
    """Run an endpoint for the length of the block; yields the arguments of `choose_store` but the bucket."""
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
