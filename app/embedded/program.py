"""A child process: its description, and the one way to start it."""

import asyncio
import os
import signal
import sys
import threading
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LAUNCHER = Path(__file__).with_name("launch.py")
LOG_LIMIT_BYTES = 8_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A user and its group, by number."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A long-running child process: how to start it, to tell that it works, and to end it.

    Attributes:
        name: shown in messages and given to callbacks.
        env: the whole environment; None = ours.
        cwd: working folder; None = ours.
        stdin: given on standard input, for what must not be on a command line.
        log: file that gets both outputs; None = ours.
        run_as: user of the process, only as root; None = ours.
        prepare: awaited before every start.
        ready: asked every 20 ms until true; None = it works once it has lived for `healthy_after_s`.
        start_timeout_s: a start that is not ready by then has failed.
        stop: signals in turn, each with the seconds it may take; SIGKILL follows.
        parent_death: sent by the kernel (Linux) when the starting process dies.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    stdin: bytes | None = None
    log: Path | None = None
    run_as: Owner | None = None
    prepare: Callable[[], Awaitable[None]] | None = None
    ready: Callable[[], Awaitable[bool]] | None = None
    healthy_after_s: float = 5.0
    start_timeout_s: float = 60.0
    stop: Sequence[tuple[signal.Signals, float]] = ((signal.SIGTERM, 35.0),)
    parent_death: signal.Signals = signal.SIGKILL


async def launch(program: Program) -> Process:
    """Start the program in a session of its own, so that Ctrl-C reaches only the supervisor."""
    with ExitStack() as files:
        output = files.enter_context(_open_log(program.log)) if program.log else None
        process = await _spawn(
            program.argv,
            run_as=program.run_as,
            env=program.env,
            cwd=program.cwd,
            parent_death=program.parent_death,
            stdin=DEVNULL if program.stdin is None else PIPE,
            output=output,
        )
    if program.stdin is not None and process.stdin is not None:
        process.stdin.write(program.stdin)
        process.stdin.close()
    return process


async def run(
    argv: Sequence[str], *, run_as: Owner | None = None, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run a short command to its end.

    Returns:
        Exit status and both outputs as one text.
    """
    process = await _spawn(argv, run_as=run_as, env=env, cwd=Path("/"), output=PIPE)
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode(errors="replace").strip()


def last_lines(log: Path, count: int = 15) -> str:
    """Read the last lines of a log file; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 16_384))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
    except FileNotFoundError:
        return ""


async def _spawn(
    argv: Sequence[str],
    *,
    run_as: Owner | None,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    parent_death: signal.Signals = signal.SIGKILL,
    stdin: int = DEVNULL,
    output: int | IO[bytes] | None,
) -> Process:
    if threading.current_thread() is not threading.main_thread():
        # The death signal follows the thread that started the child, not the process.
        raise RuntimeError("children are started from the main thread only")
    owner = run_as or Owner(uid=-1, gid=-1)
    bound = [str(int(parent_death)), str(os.getpid()), str(owner.uid), str(owner.gid)]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", str(LAUNCHER)),
        *bound,
        *argv,
        stdin=stdin,
        stdout=output,
        stderr=None if output is None else STDOUT,
        env=env,
        cwd=cwd,
        start_new_session=True,
    )


def _open_log(log: Path) -> IO[bytes]:
    """Open for appending; a file above the limit becomes `<name>.old` first."""
    log.parent.mkdir(mode=0o700, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_name(log.name + ".old"))
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
