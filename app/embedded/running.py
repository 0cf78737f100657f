"""The servers of an `acestep-api` that runs now, for commands beside it."""

from dataclasses import dataclass, field
from pathlib import Path

from app.embedded import folder
from app.embedded.errors import EmbeddedError
from app.embedded.postgres import accepts_login, database_url
from app.embedded.redis import redis_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What a data folder tells about its servers."""

    database_url: str = field(repr=False)
    redis_url: str | None = field(repr=False)
    pepper: str = field(repr=False)


async def find_running(data_dir: Path) -> Running:
    """Find the database that runs on this data folder; nothing is made or started.

    Raises:
        EmbeddedError: none runs; the message says what to do.
    """
    secrets = known_secrets(data_dir)
    notes = folder.load_notes(data_dir)
    if secrets is not None and notes.postgres_port is not None:
        url = database_url(notes.postgres_port, secrets.postgres_password)
        if await accepts_login(url):
            redis = redis_url(notes.redis_port, secrets.redis_password) if notes.redis_port else None
            return Running(database_url=url, redis_url=redis, pepper=secrets.pepper)
    raise EmbeddedError(
        f"no database runs on the data folder {data_dir}: start `acestep-api` there first, "
        "name its folder with ACESTEP_DATA_DIR, or set DATABASE_URL"
    )


def known_secrets(data_dir: Path) -> folder.Secrets | None:
    """Read the secrets of a data folder; None if it has none yet."""
    return folder.load_secrets(data_dir) if (data_dir / "secrets.json").exists() else None
