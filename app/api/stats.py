"""GET /v1/stats: counts of tasks and the state of the queue."""

from litestar import Response, get

from app.api.auth import sees_all_teams
from app.api.context import HttpRequest, context_of
from app.api.envelope import success
from app.api.shapes import Jobs, Statistics, Workers
from app.domain.keys import Scope

_UNLIMITED = 2_147_483_647
"""Shown for "no limit": a documented client divides by this number."""


@get("/v1/stats")
async def stats(request: HttpRequest) -> Response[bytes]:
    """Count the caller's tasks; an admin and open mode see all teams unless `scope=team`."""
    context = context_of(request)
    caller = await context.auth.by_header(request.headers.get("authorization"), Scope.STATS_READ)
    of_all = sees_all_teams(caller) and request.query_params.get("scope") != "team"
    view = await context.services.stats(None if of_all else caller.team_id)
    failed = view.failed + view.cancelled
    return success(
        Statistics(
            jobs=Jobs(
                total=view.queued + view.running + view.succeeded + failed,
                queued=view.queued,
                running=view.running,
                succeeded=view.succeeded,
                failed=failed,
                cancelled=view.cancelled,
            ),
            queue_size=view.queue_size,
            queue_maxsize=_UNLIMITED if view.queue_maxsize is None else view.queue_maxsize,
            avg_job_seconds=view.avg_job_seconds,
            workers=Workers(online=view.workers_online, busy=view.workers_busy),
        )
    )
