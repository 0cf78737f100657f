"""All routes, mounted at / and below /api."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from litestar import Litestar, Router
from litestar.datastructures import State

from app.api.access import AccessLog
from app.api.admin import admin_status, audit, drain, pause, resume, traceback, workers
from app.api.audio import audio
from app.api.auth import Authenticator
from app.api.config import HttpConfig
from app.api.context import Context
from app.api.counted import Counted
from app.api.create_random_sample import create_random_sample
from app.api.errors import answer_error
from app.api.export import export
from app.api.format_input import format_input
from app.api.front import Front
from app.api.health import health
from app.api.history import tasks
from app.api.keys import change_key, create_key, key, keys, revoke_key, rotate_key
from app.api.metrics import metrics
from app.api.models import model_inventory, models
from app.api.openapi import openapi_json
from app.api.pages import admin, docs, studio, web
from app.api.query_result import query_result
from app.api.release_task import release_task
from app.api.stats import stats
from app.api.stream import task_stream, team_stream
from app.api.tasks import cancel, edit, erase, retry, run_again, task
from app.api.teams import change_team, create_team, team, teams
from app.api.usage import usage
from app.api.webhooks import (
    add_webhook,
    all_deliveries,
    change_webhook,
    delete_webhook,
    deliveries,
    redeliver,
    rotate_webhook_secret,
    webhooks,
)
from app.services import Services

HANDLERS = (
    release_task,
    query_result,
    audio,
    format_input,
    create_random_sample,
    models,
    model_inventory,
    stats,
    metrics,
    health,
    tasks,
    export,
    task,
    cancel,
    teams,
    create_team,
    team,
    change_team,
    keys,
    create_key,
    key,
    change_key,
    revoke_key,
    rotate_key,
    usage,
    admin_status,
    workers,
    audit,
    pause,
    resume,
    drain,
    traceback,
    task_stream,
    team_stream,
    webhooks,
    add_webhook,
    change_webhook,
    delete_webhook,
    deliveries,
    all_deliveries,
    redeliver,
    rotate_webhook_secret,
    edit,
    erase,
    retry,
    run_again,
)
PAGES = (openapi_json, docs, studio, admin, web)
"""Routes that the OpenAPI document does not describe; they need no key."""

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def create_app(
    services: Services,
    config: HttpConfig,
    *,
    lifespan: Sequence[Lifespan] = (),
    counted: Counted | None = None,
) -> Litestar:
    """Build the HTTP application over its services."""
    counted = counted or Counted()
    auth = Authenticator(config, find_key=services.caller_by_key, has_keys=services.has_keys)
    app = Litestar(
        [Router(prefix, route_handlers=(*HANDLERS, *PAGES)) for prefix in ("/", "/api")],
        state=State({"context": Context(services=services, config=config, auth=auth, counted=counted)}),
        lifespan=list(lifespan),
        exception_handlers={Exception: answer_error},
        openapi_config=None,
        logging_config=None,
        # Bodies are limited and counted in app.api.body: the limit differs by route and content type.
        request_max_body_size=None,
        debug=False,
        pdb_on_exception=False,
    )
    app.asgi_handler = Front(AccessLog(app.asgi_handler, counted), origins=config.cors_origins)
    return app
