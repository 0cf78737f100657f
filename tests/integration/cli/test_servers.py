"""`acestep-service servers FILE`: the file is there as long as the servers run, whoever else tries it."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

LIMIT_S = 60.0


async def start(folder: Path) -> Process:
    environment = {
        name: value
        for name, value in os.environ.items()
        if "ACESTEP" not in name and name not in ("DATABASE_URL", "REDIS_URL")
    }
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli.service", "servers", str(folder / "servers.env")),
        env={**environment, "ACESTEP_DATA_DIR": str(folder / "data")},
        stdout=PIPE,
        stderr=PIPE,
    )


async def test_a_second_one_leaves_the_file_of_the_first(open_folder: Path) -> None:
    folder = open_folder / "servers"
    folder.mkdir(mode=0o711)
    first = await start(folder)
    try:
        assert first.stdout is not None
        assert b"run" in await asyncio.wait_for(first.stdout.readline(), LIMIT_S)
        written = (folder / "servers.env").read_text()
        assert "DATABASE_URL='postgresql://" in written
        second = await start(folder)
        _, told = await asyncio.wait_for(second.communicate(), LIMIT_S)
        assert second.returncode == 1
        assert f"in use by process {first.pid}" in told.decode()
        assert (folder / "servers.env").read_text() == written
    finally:
        first.send_signal(signal.SIGTERM)
        await asyncio.wait_for(first.communicate(), LIMIT_S)
    assert first.returncode == 0
    assert not (folder / "servers.env").exists()
