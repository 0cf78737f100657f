"""All routes, mounted at / and below /api."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from litestar import Litestar, Router
from litestar.datastructures import State

from app.api.access import AccessLog
from app.api.audio import audio
from app.api.auth import Authenticator
from app.api.config import HttpConfig
from app.api.context import Context
from app.api.errors import answer_error
from app.api.front import Front
from app.api.health import health
from app.api.models import models
from app.api.query_result import query_result
from app.api.release_task import release_task
from app.api.stats import stats
from app.api.tasks import cancel, task
from app.services import Services

HANDLERS = (release_task, query_result, audio, models, stats, health, task, cancel)

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def create_app(services: Services, config: HttpConfig, *, lifespan: Sequence[Lifespan] = ()) -> Litestar:
    """Build the HTTP application over its services."""
    auth = Authenticator(config, find_key=services.caller_by_key, has_keys=services.has_keys)
    app = Litestar(
        [Router("/", route_handlers=HANDLERS), Router("/api", route_handlers=HANDLERS)],
        state=State({"context": Context(services=services, config=config, auth=auth)}),
        lifespan=list(lifespan),
        exception_handlers={Exception: answer_error},
        openapi_config=None,
        logging_config=None,
        # Bodies are limited and counted in app.api.body: the limit differs by route and content type.
        request_max_body_size=None,
        debug=False,
        pdb_on_exception=False,
    )
    app.asgi_handler = Front(AccessLog(app.asgi_handler), origins=config.cors_origins)
    return app
