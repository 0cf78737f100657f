"""The local stack as one context: lock, secrets, Postgres and Valkey, each only where none is configured."""

import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.embedded import folder
from app.embedded.folder import Secrets
from app.embedded.place import Place, choose_place
from app.embedded.postgres import database_url as own_database_url
from app.embedded.postgres import initialise, postgres
from app.embedded.redis import find_server, valkey
from app.embedded.redis import redis_url as own_redis_url
from app.embedded.supervisor import OnExit, Supervisor

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedStack:
    """A running stack; programs started with `supervisor` end before the servers do."""

    data_dir: Path
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    secrets: Secrets
    supervisor: Supervisor


@asynccontextmanager
async def embedded_stack(
    data_dir: Path,
    *,
    database_url: str | None = None,
    redis_url: str | None = None,
    pg_bin: Path | None = None,
    redis_bin: Path | None = None,
    pg_user: str | None = None,
    fsync: bool = True,
    on_exit: OnExit | None = None,
) -> AsyncIterator[EmbeddedStack]:
    """Run Postgres and Valkey on the data folder until the context ends; then everything ends in order.

    Must be entered in the main thread.

    Args:
        data_dir: made if missing; one process at a time can use it.
        database_url, redis_url: servers of the operator; ours is not started then.
        pg_bin: folder with the operator's `postgres` and `initdb`.
        redis_bin: the operator's `valkey-server` or `redis-server`.
        pg_user: name or number of the user who runs Postgres when we are root.
        fsync: False trades durability for speed, for tests only.
        on_exit: awaited with (name, pid) after any child has ended.

    Raises:
        EmbeddedError: the stack cannot run; the message says what to do.
    """
    data_dir = folder.make_data_folder(data_dir)
    with ExitStack() as locks:
        locks.enter_context(folder.hold(data_dir))
        secrets = folder.load_secrets(data_dir)
        async with Supervisor(on_exit=on_exit) as supervisor:
            if database_url is None:
                notes = folder.load_notes(data_dir)
                home = Path(notes.pg_home) if notes.pg_home else None
                place = await choose_place(data_dir, noted_home=home, binaries=pg_bin, user=pg_user)
                if place.home != data_dir:
                    log.warning(
                        "the database is not in the data folder, which its user cannot enter",
                        extra={"database": place.data},
                    )
                if place.home != data_dir:
                    locks.enter_context(folder.hold(place.home))
                database_url = await _start_postgres(data_dir, place, supervisor, secrets, fsync=fsync)
            if redis_url is None:
                redis_url = await _start_valkey(data_dir, supervisor, secrets, redis_bin)
            yield EmbeddedStack(
                data_dir=data_dir,
                database_url=database_url,
                redis_url=redis_url,
                secrets=secrets,
                supervisor=supervisor,
            )


async def _start_postgres(
    data_dir: Path, place: Place, supervisor: Supervisor, secrets: Secrets, *, fsync: bool
) -> str:
    password = secrets.postgres_password
    await initialise(place, password=password, fsync=fsync)
    notes = folder.load_notes(data_dir)
    port = folder.free_port(notes.postgres_port)
    elsewhere = str(place.home) if place.home != data_dir else None
    folder.save_notes(data_dir, replace(notes, postgres_port=port, pg_home=elsewhere))
    log = data_dir / "logs" / "postgres.log"
    await supervisor.start(postgres(place, port=port, password=password, log=log, fsync=fsync))
    return own_database_url(port, password)


async def _start_valkey(
    data_dir: Path, supervisor: Supervisor, secrets: Secrets, redis_bin: Path | None
) -> str:
    notes = folder.load_notes(data_dir)
    port = folder.free_port(notes.redis_port)
    folder.save_notes(data_dir, replace(notes, redis_port=port))
    log = data_dir / "logs" / "valkey.log"
    password = secrets.redis_password
    await supervisor.start(valkey(find_server(redis_bin), port=port, password=password, log=log))
    return own_redis_url(port, password)
