"""Requests with an `Idempotency-Key`: the second one gets the answer of the first."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

from litestar import Response

from app.api.context import HttpRequest, context_of
from app.api.envelope import success
from app.api.shapes import AcceptedTask
from app.domain.idempotency import Idempotency, read_idempotency
from app.domain.inputs import ReceivedFile, Role
from app.domain.keys import Scope
from app.domain.task import Accepted, Caller

REPLAYED = "Idempotent-Replayed"


async def accept_once(
    request: HttpRequest,
    caller: Caller,
    accept: Callable[[Idempotency | None], Awaitable[Accepted]],
    *,
    operation: str,
    fields: Mapping[str, Any],
    files: Mapping[Role, ReceivedFile] = MappingProxyType({}),
) -> Response[bytes]:
    """Answer with the accepted task, the one of an earlier request with the same key included.

    Args:
        accept: stores the task; not called where an answer is known.
        operation: verb and object, so that one key is not used for two of them.
    """
    idempotency = read_idempotency(
        request.headers.get("idempotency-key"),
        operation,
        fields,
        files,
        team_id=caller.team_id,
        is_admin=Scope.ADMIN in caller.scopes,
    )
    earlier = None
    if idempotency is not None:
        # Before anything is judged: what was valid then is answered as it was then.
        earlier = await context_of(request).services.earlier(idempotency)
    accepted = earlier or await accept(idempotency)
    data = AcceptedTask(task_id=str(accepted.task_id), queue_position=accepted.queue_position)
    return success(data, headers={REPLAYED: "true"} if accepted.is_replayed else {})
