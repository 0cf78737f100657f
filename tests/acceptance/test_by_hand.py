"""The walk of docs/operations.md, "By hand on one machine": its commands, as written, in an empty folder.

It takes long on a busy machine, so only BY_HAND=1 runs it; test_compose.py starts the same processes.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import ROOT, free_port

pytestmark = [
    pytest.mark.inference,
    pytest.mark.skipif(os.environ.get("BY_HAND") != "1", reason="a long walk: BY_HAND=1"),
]

PAGE = ROOT / "docs/operations.md"
LIMIT_S = 240.0
# Wherever the block ends, what it started ends too, and in order.
AROUND = "set -eu\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n{block}"


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that the user of Postgres can pass through."""
    folder = Path(tempfile.mkdtemp(prefix="acestep-by-hand-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def commands() -> str:
    """The first block of the section, with two ports that are free here."""
    section = PAGE.read_text().split("## By hand on one machine", 1)[1]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block is not None
    ports = {"8001": str(free_port()), "8002": str(free_port())}
    return re.sub("|".join(ports), lambda found: ports[found[0]], block[1])


async def test_the_commands_of_the_page_work_as_written(folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if "ACESTEP" not in name}
    for name in ("DATABASE_URL", "REDIS_URL"):
        environment.pop(name, None)
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "NO_PROXY": "127.0.0.1",
    }
    with (folder / "log").open("wb") as log:
        shell = await asyncio.create_subprocess_exec(
            *("bash", "-c", AROUND.format(block=commands())),
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    try:
        output = (await asyncio.wait_for(shell.communicate(), LIMIT_S))[0].decode()
    finally:
        if shell.returncode is None:
            os.killpg(shell.pid, signal.SIGKILL)
            await shell.wait()
    assert shell.returncode == 0, output + (folder / "log").read_text()[-4000:]
    bodies = [json.loads(line)["data"] for line in output.splitlines() if line.startswith("{")]
    assert len({body["task_id"] for body in bodies if "task_id" in body}) == 10
    first, second = (body["jobs"] for body in bodies if "jobs" in body)
    assert first == second
    assert (first["total"], first["succeeded"], first["failed"]) == (10, 10, 0)
    assert "10 rows, each with its object" in " ".join(output.split())
    assert "1 alive" in output
