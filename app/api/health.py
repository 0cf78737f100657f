"""GET /health: whether the service reaches its database; needs no key."""

from litestar import Response, get

from app.api.context import HttpRequest, context_of
from app.api.envelope import success
from app.api.shapes import Health

_CONTRACT_VERSION = "1.0"


@get("/health")
async def health(request: HttpRequest) -> Response[bytes]:
    """Answer 200 while the database answers, else 503."""
    context = context_of(request)
    view = await context.services.health()
    return success(
        Health(
            version=_CONTRACT_VERSION,
            release=context.config.release,
            models_initialized=view.models_initialized,
            llm_initialized=view.llm_initialized,
            loaded_model=view.loaded_model,
            loaded_lm_model=view.loaded_lm_model,
        )
    )
