"""GET /v1/models: the diffusion models that can be asked for."""

from litestar import Response, get

from app.api.context import HttpRequest, context_of
from app.api.envelope import success


@get("/v1/models")
async def models(request: HttpRequest) -> Response[bytes]:
    """List the offered models and name the default one."""
    context = context_of(request)
    await context.auth.by_header(request.headers.get("authorization"))
    offered = await context.services.models()
    default = next((model.name for model in offered if model.is_default), None)
    return success({"models": offered, "default_model": default})
