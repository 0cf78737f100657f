"""GET /v1/models and /v1/model_inventory: the models that can be asked for."""

from collections.abc import Sequence

from litestar import Response, get

from app.api.context import HttpRequest, context_of
from app.api.envelope import success
from app.api.shapes import ModelInventory, ModelList
from app.services import OfferedModel


@get("/v1/models")
async def models(request: HttpRequest) -> Response[bytes]:
    """List the offered diffusion models and name the default one."""
    context = context_of(request)
    await context.auth.by_header(request.headers.get("authorization"))
    offered = await context.services.models()
    return success(ModelList(models=offered, default_model=_default(offered)))


@get("/v1/model_inventory")
async def model_inventory(request: HttpRequest) -> Response[bytes]:
    """List diffusion and language models."""
    context = context_of(request)
    await context.auth.by_header(request.headers.get("authorization"))
    offered = await context.services.models()
    language_models = await context.services.language_models()
    loaded = next((model.name for model in language_models if model.is_loaded), None)
    return success(
        ModelInventory(
            models=offered,
            default_model=_default(offered),
            lm_models=language_models,
            loaded_lm_model=loaded,
            llm_initialized=loaded is not None,
        )
    )


def _default(offered: Sequence[OfferedModel]) -> str | None:
    return next((model.name for model in offered if model.is_default), None)
