"""Start a child process with a pipe of its own and a poor environment; nothing here knows of jobs."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Self

from workers import protocol
from workers.failure import ChildDied

log = logging.getLogger(__name__)

# What a child may know of our environment. A list of what is allowed, so that no new secret slips through.
_ALLOWED_VARIABLES = frozenset(
    ("ACESTEP_ENV", "FAILPOINT", "HOME", "LANG", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER")
)
_ALLOWED_PREFIXES = ("CUDA_", "LC_", "MKL_", "NVIDIA_", "OMP_", "PYTORCH_", "TORCH_")
_PACKAGES_ROOT = Path(__file__).resolve().parents[1]
# From the end of the pipe to the end of the process; the exit status tells more than our signal would.
_EXIT_GRACE_S = 1.0


class ChildProcess:
    """One running `python -m workers.child` and the pipe to it."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def spawn(cls, environment: Mapping[str, str]) -> Self:
        """Start a process; it waits for the first command.

        Call this from the main thread: Linux kills the child when the thread that started it ends.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",  # the working folder is not a place to import from
                    "-m",
                    "workers.child",
                    str(theirs.fileno()),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    env=dict(environment),
                    start_new_session=True,  # signals to our process group are ours to pass on
                )
            reader, writer = await asyncio.open_unix_connection(sock=ours, limit=protocol.LINE_LIMIT_BYTES)
        except BaseException:
            ours.close()  # a child that was started ends with its pipe
            raise
        return cls(process, reader, writer)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def send(self, command: protocol.Command) -> None:
        """Write one command.

        Raises:
            ChildDied: nobody reads it.
        """
        if self._writer.is_closing():
            raise ChildDied(self._process.returncode)
        self._writer.write(protocol.encode(command))
        try:
            await self._writer.drain()
        except ConnectionError:
            raise ChildDied(self._process.returncode) from None

    async def reports(self) -> AsyncIterator[protocol.Report]:
        """Yield what the child says until its pipe closes."""
        try:
            while line := await self._reader.readline():
                yield protocol.decode_report(line)
        except ConnectionError:
            log.info("pipe of the child was reset", extra={"pid": self.pid})

    async def ended(self) -> int:
        """Return the exit status; a process that outlives its pipe is killed, for it is of no use."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _EXIT_GRACE_S)
        self.kill()
        returncode = await self._process.wait()
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
        return returncode

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


def child_environment(inherited: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a child: nothing of ours that names or opens a server."""
    kept = {
        name: value
        for name, value in inherited.items()
        if name in _ALLOWED_VARIABLES or name.startswith(_ALLOWED_PREFIXES)
    }
    search = [inherited.get("PYTHONPATH", "")]
    if _PACKAGES_ROOT.name != "site-packages":
        search.insert(0, str(_PACKAGES_ROOT))
    # Neither models nor reports about their use: a child has no business in the network.
    quiet = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, search))} | quiet | dict(added)
