"""The data folder: one owner at a time, generated secrets, and what a next start must remember."""

import fcntl
import json
import os
import random
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from app.embedded.errors import EmbeddedError, FolderInUseError

# Below the ephemeral ranges of Linux and macOS: a client that retries a port of that range while nobody
# listens can connect to itself and so keep the server from coming back.
PORTS = range(15_000, 32_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Passwords of the servers and the pepper of stored hashes, each 64 hex digits."""

    postgres_password: str = field(repr=False)
    redis_password: str = field(repr=False)
    pepper: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What is kept from start to start in `stack.json`.

    `pg_home` is the folder that holds the Postgres data where it is not the data folder itself.
    """

    postgres_port: int | None = None
    redis_port: int | None = None
    pg_home: str | None = None


def make_data_folder(path: Path) -> Path:
    """Create the data folder, closed to other users, and return its absolute path."""
    path = path.absolute()
    # As root, another user runs Postgres in a sub-folder and so must be able to pass.
    make_folder(path, 0o711 if os.geteuid() == 0 else 0o700)
    return path


def make_folder(path: Path, mode: int) -> None:
    """Create a folder with exactly this mode; one that exists is left as it is, and so are parents."""
    if path.exists():
        return
    try:
        path.mkdir(parents=True)
        path.chmod(mode)
    except OSError as error:
        raise EmbeddedError(f"cannot create the folder {path}: {error.strerror}") from error


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel frees it when this process dies, however it dies.

    Raises:
        FolderInUseError: another process holds it; the message has its pid.
    """
    try:
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise EmbeddedError(f"cannot write to the data folder {folder}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(handle, 20, 0).decode().strip() or "unknown"
            text = (
                f"the data folder {folder} is in use by process {pid}; stop that one or choose another folder"
            )
            raise FolderInUseError(text) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def load_secrets(folder: Path) -> Secrets:
    """Read `secrets.json`, made at the first start."""
    path = folder / "secrets.json"
    raw = _read(path)
    if raw is None:
        made = Secrets(**{item.name: secrets.token_hex(32) for item in fields(Secrets)})
        write_private(path, json.dumps(asdict(made)))
        return made
    try:
        return Secrets(**raw)
    except TypeError as error:
        raise EmbeddedError(f"{path} lacks or has unknown entries; restore it from a backup") from error


def load_notes(folder: Path) -> Notes:
    """Read `stack.json`; all fields are None at the first start."""
    raw = _read(folder / "stack.json") or {}
    return Notes(**{item.name: raw.get(item.name) for item in fields(Notes)})


def save_notes(folder: Path, notes: Notes) -> None:
    """Write `stack.json`."""
    write_private(folder / "stack.json", json.dumps(asdict(notes)))


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 so that a crash leaves the old content or the new one."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make renames inside the folder durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def free_port(wanted: int | None) -> int:
    """Return the wanted port of 127.0.0.1 if nobody listens on it, else a random free one."""
    candidates = [wanted] if wanted else []
    for port in [*candidates, *random.sample(PORTS, 50)]:
        with socket.socket() as probe:
            # As the servers do; without it a port is "in use" for a minute after every stop.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise EmbeddedError("no free TCP port found on 127.0.0.1")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        raw = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EmbeddedError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise EmbeddedError(f"{path} is not valid JSON; restore it from a backup") from error
    if not isinstance(raw, dict):
        raise EmbeddedError(f"{path} is not a JSON object; restore it from a backup")
    return raw
