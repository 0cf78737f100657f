"""GET /v1/tasks/export: a whole list as a file, streamed."""

from datetime import UTC, datetime

from litestar import get
from litestar.response import Stream

from app.api.auth import reach
from app.api.context import HttpRequest, context_of
from app.api.history import read_query
from app.api.streams import resume
from app.domain.errors import ValidationError
from app.domain.keys import Scope
from app.services import ExportForm

_MEDIA_TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv"}


@get("/v1/tasks/export")
async def export(request: HttpRequest) -> Stream:
    """Send every task that the filters let through, oldest first, as records or as a table."""
    context = context_of(request)
    caller = await context.auth.by_header(request.headers.get("authorization"), Scope.TASKS_READ)
    filters, options = read_query(request, caller, options=("format", "include"))
    kind = options.get("format", "ndjson")
    content = context.services.export(caller, reach(caller), filters, _form(kind, options.get("include")))
    # What can be refused is refused before the first portion.
    first = await anext(content)
    name = f"tasks-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{kind}"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Stream(resume(first, content), media_type=_MEDIA_TYPES[kind], headers=headers)


def _form(kind: str, include: str | None) -> ExportForm:
    if kind not in _MEDIA_TYPES:
        raise ValidationError(f"format must be one of: {', '.join(_MEDIA_TYPES)}")
    if include is None:
        return ExportForm(kind)
    if include != "events" or kind != "ndjson":
        raise ValidationError("include must be events, in the format ndjson")
    return ExportForm.NDJSON_WITH_EVENTS
