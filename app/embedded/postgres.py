"""Our own Postgres: made once without half-made states, reachable only from this machine by password."""

import asyncio
import logging
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

import asyncpg

from app.embedded.errors import EmbeddedError
from app.embedded.folder import make_folder, sync_folder, write_private
from app.embedded.place import Place
from app.embedded.program import Program, run

log = logging.getLogger(__name__)

NAME = "postgres"
USER = "acestep"
# A fast shutdown, then an immediate one that the next start recovers from.
STOP = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 6.0))
# Nothing of the caller's environment (PG*, LC_*, TZ) may change what the server does.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def database_url(port: int, password: str) -> str:
    """Build the URL of the one database."""
    return f"postgresql://{USER}:{password}@127.0.0.1:{port}/postgres"


async def initialise(place: Place, *, password: str, fsync: bool) -> None:
    """Make the data folder if there is none; a kill in between leaves nothing half-made.

    Raises:
        EmbeddedError: it exists but belongs to another major version, or cannot be made.
    """
    if place.data.exists():
        _check_major(place)
        return
    draft = place.home / "pg.init"
    password_file = place.home / "pg.password"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        make_folder(draft, 0o700)
        write_private(password_file, password)
        if place.run_as is not None:
            for path in (draft, password_file):
                os.chown(path, place.run_as.uid, place.run_as.gid)
        await _initdb(place, draft, password_file, fsync=fsync)
    finally:
        password_file.unlink(missing_ok=True)
    draft.rename(place.data)
    sync_folder(place.home)


def postgres(place: Place, *, port: int, password: str, log: Path, fsync: bool) -> Program:
    """Describe the server process; it is ready when a login succeeds."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",  # the path of a socket may have 107 bytes only
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_parameter_max_length_on_error": "0",
    }
    if not fsync:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    url = database_url(port, password)

    async def prepare() -> None:
        await end_leftover(place.data)

    async def ready() -> bool:
        return await accepts_login(url)

    return Program(
        name=NAME,
        argv=[str(place.binaries / "postgres"), "-D", str(place.data), *options],
        env=ENVIRONMENT,
        cwd=Path("/"),
        log=log,
        run_as=place.run_as,
        prepare=prepare,
        ready=ready,
        start_timeout_s=120.0,  # crash recovery may have much to replay
        stop=STOP,
        parent_death=signal.SIGQUIT,
    )


async def accepts_login(url: str) -> bool:
    """Tell whether the server answers a login.

    Raises:
        EmbeddedError: it answers, but refuses the password.
    """
    try:
        connection = await asyncpg.connect(url, ssl=False, timeout=5)
    except asyncpg.InvalidPasswordError as error:
        raise EmbeddedError(
            "Postgres refuses the password of secrets.json; restore that file from a backup"
        ) from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    await connection.close(timeout=5)
    return True


async def end_leftover(data: Path) -> None:
    """End a server that an earlier supervisor left on this data; the caller holds the folder's lock."""
    pid = _leftover(data)
    if pid is None:
        return
    log.warning("leftover postgres found", extra={"pid": pid})
    for number, grace_s in STOP:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        for _ in range(int(grace_s / 0.05)):
            if _leftover(data) != pid:
                return
            await asyncio.sleep(0.05)
    raise EmbeddedError(f"an earlier Postgres, process {pid}, still holds {data}; end it by hand")


def _leftover(data: Path) -> int | None:
    """Read the pid file, believing it only if that process really is a Postgres on this folder.

    If the number now belongs to somebody else, the file is removed, as Postgres would refuse to start. If no
    such process lives, it stays: Postgres then checks by it that no old backend is still attached.
    """
    file = data / "postmaster.pid"
    try:
        pid = int(file.read_text().split("\n", 1)[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    if command[0].endswith(b"postgres") and os.fsencode(data) in command:
        return pid
    log.warning("stale pid file removed", extra={"pid": pid})
    file.unlink(missing_ok=True)
    return None


async def _initdb(place: Place, draft: Path, password_file: Path, *, fsync: bool) -> None:
    status, output = await run(
        [
            str(place.binaries / "initdb"),
            f"--pgdata={draft}",
            f"--username={USER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            # Built into Postgres, so independent of what the system has installed.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-instructions",
            *([] if fsync else ["--no-sync"]),
        ],
        run_as=place.run_as,
        env=ENVIRONMENT,
    )
    if status != 0:
        raise EmbeddedError(f"initdb failed with status {status}:\n{output[-2000:]}")


def _check_major(place: Place) -> None:
    try:
        found = (place.data / "PG_VERSION").read_text().strip()
    except FileNotFoundError as error:
        raise EmbeddedError(f"{place.data} is not a Postgres data folder; move it away") from error
    except PermissionError as error:
        raise EmbeddedError(
            f"{place.data} belongs to another user; start as that user, or as root"
        ) from error
    if found != str(place.major):
        raise EmbeddedError(
            f"{place.data} was made by Postgres {found}, the binaries are version {place.major}: start with "
            f"ACESTEP_PG_BIN set to a Postgres {found}, save all with pg_dumpall, move the folder away, "
            "start without ACESTEP_PG_BIN and load the dump with psql (both are beside the postgres binary)"
        )
