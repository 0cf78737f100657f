"""POST /create_random_sample: an example to fill a form with."""

from litestar import Response, post

from app.api.body import Body, has_body, read_body
from app.api.context import HttpRequest, context_of
from app.api.envelope import success
from app.api.shapes import SampleText
from app.domain.keys import Scope
from app.domain.samples import pick


@post("/create_random_sample", status_code=200)
async def create_random_sample(request: HttpRequest) -> Response[bytes]:
    """Answer one example, chosen uniformly; without a body one of the simple mode."""
    context = context_of(request)
    if has_body(request):
        body = await read_body(request, max_bytes=context.config.max_body_bytes)
    else:
        body = Body(fields={}, content_type="")
    await context.auth.by_body(body.fields, request.headers.get("authorization"), Scope.TASKS_WRITE)
    return success(SampleText.of(pick(body.fields.get("sample_type"))))
