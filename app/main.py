"""Composition root of the API process: settings to services to the HTTP application."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

from litestar import Litestar

from app.api.config import HttpConfig
from app.api.counted import Counted
from app.api.routes import create_app
from app.db.engine import Database
from app.domain.addresses import parse_networks
from app.domain.offers import Limits
from app.domain.tracing import Tracer, traced
from app.queue.doorbell import CHANGE_CHANNEL, ArqDoorbell
from app.queue.listening import hear, keep_listening
from app.queue.ping import ping
from app.services import Services
from app.services.audio import Audio
from app.services.callers import Callers
from app.services.cancel import Cancel
from app.services.edit import Edit
from app.services.erase import Erase
from app.services.export import Export
from app.services.feed import Feed
from app.services.history import History
from app.services.keys import Keys
from app.services.limits import TeamOffers
from app.services.lists import Lists
from app.services.metrics import Metrics
from app.services.models import Models
from app.services.neighbours import Neighbours
from app.services.operations import Operations
from app.services.prompting import Prompting
from app.services.query import Query
from app.services.recovery import Recovery
from app.services.repeat import Repeat
from app.services.sealing import Sealing
from app.services.stats import Stats
from app.services.stream import Streams
from app.services.submit import Submit
from app.services.teams import Teams
from app.services.uploads import Uploads
from app.services.usage import Usage
from app.services.webhooks import Webhooks
from app.settings import Settings
from app.storage.choose import choose_store
from app.storage.scratch import Scratch, abandoned, make_scratch
from app.traces import make_tracer


async def build(settings: Settings, *, database_url: str, redis_url: str, pepper: bytes) -> Litestar:
    """Build the application on a migrated database.

    Raises:
        DatabaseUnavailableError: the database does not answer.
    """
    database = Database(database_url, application_name="acestep-api")
    shared = settings.prometheus_multiproc_dir
    counted = Counted(shared_dir=Path(shared) if shared else None)
    doorbell = ArqDoorbell(redis_url, on_failure=counted.ring_failed)
    async with database.autocommit() as work:
        default_team = await work.keys.default_team()
    spool_dir = settings.tmpdir / "uploads" / f"{os.getpid()}-{uuid4().hex}"
    scratch = await asyncio.to_thread(make_scratch, spool_dir)
    feed = Feed(database)
    tracer = make_tracer(settings.otel_endpoint, service="acestep-api", version=version("acestep-service"))
    services = _services(settings, database, doorbell, spool_dir, pepper, feed, redis_url, tracer)
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
        metrics_networks=parse_networks(settings.metrics_allow_networks),
    )
    recovery = Recovery(
        database,
        doorbell,
        max_crashes=settings.max_attempts,
        lease_s=settings.lease_seconds,
        idempotency_h=settings.idempotency_hours,
        model_wait_s=settings.model_wait,
    )
    neighbours = Neighbours(recovery, abandoned=partial(abandoned, settings.attempts_dir))
    lifespan = _lifespan(database, doorbell, recovery, neighbours, feed, redis_url, tracer, scratch)
    return create_app(services, config, lifespan=[lifespan], counted=counted)


def _services(
    settings: Settings,
    database: Database,
    doorbell: ArqDoorbell,
    spool_dir: Path,
    pepper: bytes,
    feed: Feed,
    redis_url: str,
    tracer: Tracer,
) -> Services:
    store = choose_store(**settings.store)
    models = Models(
        database,
        configured=settings.models,
        aliases=settings.aliases,
        init_llm=settings.init_llm,
        default_lm=settings.lm_model,
        lm_backend=settings.lm_backend,
        limits=_limits(settings),
        lease_s=settings.lease_seconds,
    )
    callers = Callers(database)
    offers = TeamOffers(database, models.offers)
    submit = Submit(
        database,
        doorbell,
        Uploads(
            database,
            store,
            spool_dir=spool_dir,
            input_dirs=settings.input_folders,
            kinds=models.input_kinds,
            max_bytes=settings.max_upload_bytes,
            max_seconds=settings.max_input_seconds,
        ),
        queue_limit=settings.queue_limit,
        ageing_s=settings.priority_aging,
        max_duration_s=settings.max_duration,
        retention_days=settings.audio_retention_days,
    )
    return Services(
        submit=traced(tracer, "submit", submit),
        earlier=submit.earlier,
        format_input=Prompting(
            database, doorbell, offered=models.announced_language_models, timeout_s=settings.sync_timeout
        ),
        query=Query(database),
        record=History(database),
        cancel=Cancel(database, doorbell),
        edit=Edit(database, ageing_s=settings.priority_aging),
        erase=Erase(database, store),
        repeat=Repeat(database, submit=submit, offers=offers),
        list_tasks=Lists(database, pepper=pepper),
        export=Export(database, max_rows=settings.export_max_rows),
        audio=Audio(database, store),
        stats=Stats(
            database,
            queue_limit=settings.queue_limit,
            window=settings.avg_window,
            initial_average_s=settings.avg_job_seconds,
            lease_s=settings.lease_seconds,
        ),
        offers=offers,
        models=models.models,
        language_models=models.language_models,
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
            ping_redis=lambda: ping(redis_url),
            queue_limit=settings.queue_limit,
            lease_s=settings.lease_seconds,
        ),
        metrics=Metrics(database, window=settings.avg_window, lease_s=settings.lease_seconds),
        streams=Streams(database, feed, most_per_key=settings.sse_max_per_key),
        webhooks=Webhooks(
            database,
            Sealing(pepper),
            allow_http=settings.webhook_allow_http,
            allowed=parse_networks(settings.webhook_allow_networks),
        ),
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        max_duration_s=settings.max_duration,
        prompt_chars=settings.max_prompt_chars,
        lyrics_chars=settings.max_lyrics_chars,
        text_chars=settings.max_text_chars,
        codes_chars=settings.max_codes_chars,
        webhook_http=settings.webhook_allow_http,
        webhook_networks=parse_networks(settings.webhook_allow_networks),
    )


def _lifespan(
    database: Database,
    doorbell: ArqDoorbell,
    recovery: Recovery,
    neighbours: Neighbours,
    feed: Feed,
    redis_url: str,
    tracer: Tracer,
    scratch: Scratch,
) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    async def hear_changes() -> None:
        await hear(redis_url, CHANGE_CHANNEL, lambda _: feed.look_soon())

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        await doorbell.start()
        background = [
            asyncio.create_task(recovery.run_forever(), name="sweeper"),
            asyncio.create_task(neighbours.run_forever(), name="neighbours"),
            asyncio.create_task(feed.run_forever(), name="feed"),
            asyncio.create_task(keep_listening(hear_changes, what="changes"), name="changes"),
        ]
        try:
            yield
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await doorbell.close()
            await database.close()
            await asyncio.to_thread(tracer.close)
            await asyncio.to_thread(scratch.remove)

    return lifespan
