"""Composition root of the API process: settings to services to the HTTP application."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

from litestar import Litestar

from app.api.config import HttpConfig
from app.api.routes import create_app
from app.db.engine import Database
from app.domain.offers import Limits
from app.queue.doorbell import ArqDoorbell
from app.services import Services
from app.services.audio import Audio
from app.services.callers import Callers
from app.services.cancel import Cancel
from app.services.history import History
from app.services.keys import Keys
from app.services.limits import Limits as TeamLimits
from app.services.models import Models
from app.services.operations import Operations
from app.services.query import Query
from app.services.recovery import Recovery
from app.services.stats import Stats
from app.services.submit import Submit
from app.services.teams import Teams
from app.services.uploads import Uploads
from app.services.usage import Usage
from app.settings import Settings
from app.storage.choose import choose_store
from app.storage.scratch import make_scratch


async def build(settings: Settings, *, database_url: str, redis_url: str, pepper: bytes) -> Litestar:
    """Build the application on a migrated database.

    Raises:
        DatabaseUnavailableError: the database does not answer.
    """
    database = Database(database_url, application_name="acestep-api")
    doorbell = ArqDoorbell(redis_url)
    async with database.autocommit() as work:
        default_team = await work.keys.default_team()
    spool_dir = settings.tmpdir / "uploads" / f"{os.getpid()}-{uuid4().hex}"
    await asyncio.to_thread(make_scratch, spool_dir)
    services = _services(settings, database, doorbell, spool_dir, pepper=pepper)
    config = HttpConfig(
        bootstrap_key=settings.api_key.get_secret_value() or None,
        key_pepper=pepper,
        default_team_id=default_team,
        cors_origins=tuple(origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()),
        public_audio=settings.public_audio,
        max_body_bytes=settings.max_body_bytes,
        max_upload_bytes=settings.max_upload_bytes,
        max_form_bytes=settings.max_form_bytes,
        max_form_parts=settings.max_form_parts,
        spool_dir=spool_dir,
        max_query_ids=settings.max_query_ids,
        limits=_limits(settings),
        env=settings.env,
        release=version("acestep-service"),
        record_client=settings.record_client,
    )
    recovery = Recovery(
        database,
        doorbell,
        max_crashes=settings.max_attempts,
        lease_s=settings.lease_seconds,
        idempotency_h=settings.idempotency_hours,
    )
    return create_app(services, config, lifespan=[_lifespan(database, doorbell, recovery)])


def _services(
    settings: Settings, database: Database, doorbell: ArqDoorbell, spool_dir: Path, *, pepper: bytes
) -> Services:
    store = choose_store(**settings.store)
    models = Models(
        database,
        configured=settings.models,
        aliases=settings.aliases,
        lm_backend=settings.lm_backend,
        limits=_limits(settings),
        lease_s=settings.lease_seconds,
    )
    callers = Callers(database)
    submit = Submit(
        database,
        doorbell,
        Uploads(
            database,
            store,
            spool_dir=spool_dir,
            input_dirs=settings.input_folders,
            max_bytes=settings.max_upload_bytes,
            max_seconds=settings.max_input_seconds,
        ),
        queue_limit=settings.queue_limit,
        ageing_s=settings.priority_aging,
        max_duration_s=settings.max_duration,
        retention_days=settings.audio_retention_days,
    )
    return Services(
        submit=submit,
        earlier=submit.earlier,
        query=Query(database),
        record=History(database),
        cancel=Cancel(database, doorbell),
        audio=Audio(database, store),
        stats=Stats(
            database,
            queue_limit=settings.queue_limit,
            window=settings.avg_window,
            initial_average_s=settings.avg_job_seconds,
            lease_s=settings.lease_seconds,
        ),
        offers=models.offers,
        limits=TeamLimits(database),
        models=models.models,
        health=models.health,
        caller_by_key=callers.caller,
        has_keys=callers.has_keys,
        usage=Usage(database),
        teams=Teams(database),
        keys=Keys(database, pepper=pepper),
        operations=Operations(
            database,
            doorbell,
            store,
            redis_answers=doorbell.answers,
            queue_limit=settings.queue_limit,
            lease_s=settings.lease_seconds,
        ),
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        max_duration_s=settings.max_duration,
        prompt_chars=settings.max_prompt_chars,
        lyrics_chars=settings.max_lyrics_chars,
        text_chars=settings.max_text_chars,
        codes_chars=settings.max_codes_chars,
    )


def _lifespan(
    database: Database, doorbell: ArqDoorbell, recovery: Recovery
) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        await doorbell.start()
        sweeping = asyncio.create_task(recovery.run_forever(), name="sweeper")
        try:
            yield
        finally:
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)
            await doorbell.close()
            await database.close()

    return lifespan
