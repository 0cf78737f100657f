"""`python -m workers`: one worker process, configured by its environment."""

import asyncio
import logging
import sys

from app import logs
from app.domain.errors import ServiceError
from app.settings import ConfigurationError, load
from workers import main as composition
from workers.failure import ChildDied, StartFailed

log = logging.getLogger("workers")


def main() -> int:
    """Run until a signal; exit status 1 with one clear line if the worker cannot start."""
    try:
        settings = load()
    except ConfigurationError as error:
        print(f"acestep worker: {error}", file=sys.stderr)  # noqa: T201
        return 2
    logs.configure(settings.log_level, secrets=settings.secrets, form=settings.log_format)
    if settings.database_url is None or settings.redis_url is None:
        log.error("DATABASE_URL and REDIS_URL must be set for a worker that runs by itself")
        return 2
    try:
        asyncio.run(
            composition.run(
                settings,
                database_url=settings.database_url.get_secret_value(),
                redis_url=settings.redis_url.get_secret_value(),
            )
        )
    except (StartFailed, ChildDied, TimeoutError, ServiceError) as error:
        log.error("worker could not start", extra={"reason": str(error)})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
