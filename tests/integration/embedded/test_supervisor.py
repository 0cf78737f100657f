import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from app.embedded import supervisor as supervisor_module
from app.embedded.errors import ProgramFailedError
from app.embedded.program import Program, run
from app.embedded.supervisor import Supervisor


def shell(name: str, script: str, *arguments: object, log: Path | None = None, grace_s: float = 5) -> Program:
    return Program(
        name=name,
        argv=["/bin/sh", "-c", script, name, *map(str, arguments)],
        log=log,
        stop=((signal.SIGTERM, grace_s),),
    )


async def until(path: Path, lines: int) -> list[str]:
    """Wait until the file has so many lines."""
    async with asyncio.timeout(10):
        while True:
            found = path.read_text().splitlines() if path.exists() else []
            if len(found) >= lines:
                return found
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


async def test_programs_end_in_reverse_order_each_gone_before_the_next_is_asked(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = """
        trap 'echo asked $0 >> "$1"; sleep 0.2; echo gone $0 >> "$1"; exit' TERM
        echo up >> "$1"
        sleep 60 & wait"""
    async with Supervisor() as supervisor:
        for count, name in enumerate(("first", "second", "third"), start=1):
            await supervisor.start(shell(name, script, out))
            await until(out, count)
    assert out.read_text().split("\n")[3:-1] == [
        *("asked third", "gone third"),
        *("asked second", "gone second"),
        *("asked first", "gone first"),
    ]


async def test_dead_child_is_reported_and_started_again_after_half_a_second(tmp_path: Path) -> None:
    out = tmp_path / "out"
    reported: list[tuple[str, int]] = []

    async def report(name: str, pid: int) -> None:
        reported.append((name, pid))
        raise OSError("a callback that fails does not end the supervision")

    program = Program(name="worker", argv=["/bin/sh", "-c", 'echo $$ >> "$0"; exec sleep 60', str(out)])
    async with Supervisor(on_exit=report) as supervisor:
        await supervisor.start(program)
        first = int((await until(out, 1))[0])
        assert supervisor.pid("worker") == first
        killed_at = time.monotonic()
        os.kill(first, signal.SIGKILL)
        second = int((await until(out, 2))[1])
        assert 0.5 <= time.monotonic() - killed_at < 2
        assert reported == [("worker", first)]
        assert supervisor.pid("worker") == second
    assert not alive(second)
    assert reported == [("worker", first), ("worker", second)]


async def test_five_failed_starts_end_the_watch_with_the_last_log_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "FIRST_DELAY_S", 0.01)
    log = tmp_path / "log"
    async with Supervisor() as supervisor:
        await supervisor.start(shell("healthy", "exec sleep 60"))
        await supervisor.start(shell("worker", "echo no model here >&2; exit 3", log=log))
        with pytest.raises(
            ProgramFailedError, match=r"5 times in a row \(exit status 3\)(?s:.*)no model here"
        ):
            await asyncio.wait_for(supervisor.watch(), 10)
        assert supervisor.pid("healthy") is not None
    assert log.read_text().splitlines() == ["no model here"] * 5


async def test_program_that_never_becomes_ready_fails_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "FIRST_DELAY_S", 0.01)

    async def never() -> bool:
        return False

    program = Program(name="api", argv=["sleep", "60"], ready=never, start_timeout_s=0.1)
    async with Supervisor() as supervisor:
        with pytest.raises(ProgramFailedError, match="api failed to start 5 times"):
            await supervisor.start(program)
        assert supervisor.pid("api") is None


async def test_program_that_cannot_be_run_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "FIRST_DELAY_S", 0.01)

    async def never() -> bool:
        return False

    program = Program(name="api", argv=["/nowhere/api"], ready=never, log=tmp_path / "log")
    async with Supervisor() as supervisor:
        with pytest.raises(ProgramFailedError, match="cannot run /nowhere/api: No such file or directory"):
            await supervisor.start(program)


async def test_stuck_child_and_its_own_children_are_killed_after_the_grace_time(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = 'trap \'\' TERM; sleep 61 & echo $! >> "$1"; echo $$ >> "$1"; wait; sleep 61'
    async with Supervisor() as supervisor:
        await supervisor.start(shell("stuck", script, out, grace_s=0.2))
        pids = [int(line) for line in await until(out, 2)]
        assert all(alive(pid) for pid in pids)
        began = time.monotonic()
        await supervisor.stop("stuck")
        assert 0.2 <= time.monotonic() - began < 2
    async with asyncio.timeout(2):
        while any(alive(pid) for pid in pids):  # noqa: ASYNC110 - other processes are watched
            await asyncio.sleep(0.01)


async def test_large_log_is_set_aside_at_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * 8_000_001)
    async with Supervisor() as supervisor:
        await supervisor.start(shell("chatty", "echo new; exec sleep 60", log=log))
        assert await until(log, 1) == ["new"]
    assert (tmp_path / "log.old").stat().st_size == 8_000_001


async def test_children_are_refused_outside_the_main_thread() -> None:
    def in_thread() -> None:
        asyncio.run(run(["/bin/true"]))

    with pytest.raises(RuntimeError, match="main thread"):
        await asyncio.to_thread(in_thread)
