"""POST /release_task: accept a generation."""

from collections.abc import Mapping
from typing import Any

from litestar import Response, post

from app.api.body import read_body
from app.api.client import client_of
from app.api.context import HttpRequest, context_of, request_id_of
from app.api.form_data import Incoming
from app.api.once import accept_once
from app.domain.aliases import TOKEN_FIELD
from app.domain.idempotency import Idempotency
from app.domain.keys import Scope
from app.domain.submission import parse_submission
from app.domain.task import Accepted, Caller
from app.storage.spool import open_spool


@post("/release_task", status_code=200)
async def release_task(request: HttpRequest) -> Response[bytes]:
    """Store a task and answer after the commit."""
    context = context_of(request)
    config = context.config
    async with open_spool(config.spool_dir) as spool:
        incoming = Incoming(
            spool=spool,
            identify=lambda token: _caller(request, {TOKEN_FIELD: token}),
            max_bytes=config.max_form_bytes,
            max_file_bytes=config.max_upload_bytes,
        )
        body = await read_body(request, max_bytes=config.max_body_bytes, incoming=incoming)
        caller = await _caller(request, body.fields)

        async def accept(idempotency: Idempotency | None) -> Accepted:
            submission = parse_submission(
                body.fields,
                content_type=body.content_type,
                offers=await context.services.offers(caller.team_id),
                uploaded=body.files.keys(),
            )
            return await context.services.submit(
                caller,
                submission,
                request_id=request_id_of(request),
                client=client_of(request),
                files=body.files,
                idempotency=idempotency,
            )

        return await accept_once(
            request, caller, accept, operation="release_task", fields=body.fields, files=body.files
        )


async def _caller(request: HttpRequest, fields: Mapping[str, Any]) -> Caller:
    authorization = request.headers.get("authorization")
    return await context_of(request).auth.by_body(fields, authorization, Scope.TASKS_WRITE)
