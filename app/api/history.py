"""GET /v1/tasks: the history of a team, filtered, page by page."""

from collections.abc import Collection

from litestar import Response, get

from app.api.auth import reach
from app.api.context import HttpRequest, context_of
from app.api.envelope import success
from app.api.strict import refuse_unknown
from app.domain.errors import ForbiddenError, ValidationError
from app.domain.filters import Filters, is_filter, read_filters
from app.domain.keys import Scope
from app.domain.task import Caller

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
_ORDERS = ("desc", "asc")


@get("/v1/tasks")
async def tasks(request: HttpRequest) -> Response[bytes]:
    """List tasks in the order of their submission, newest first unless asked otherwise."""
    context = context_of(request)
    caller = await context.auth.by_header(request.headers.get("authorization"), Scope.TASKS_READ)
    filters, options = read_query(request, caller, options=("order", "limit", "cursor"))
    order = options.get("order", _ORDERS[0])
    if order not in _ORDERS:
        raise ValidationError("order must be desc or asc")
    page = await context.services.list_tasks(
        reach(caller),
        filters,
        newest_first=order == "desc",
        limit=_limit(options.get("limit", str(DEFAULT_LIMIT))),
        cursor=options.get("cursor"),
    )
    return success(page)


def read_query(
    request: HttpRequest, caller: Caller, *, options: Collection[str]
) -> tuple[Filters, dict[str, str]]:
    """Read the filters, and the other query parameters that the route knows.

    Raises:
        ValidationError: an unknown parameter, a repeated one, or a wrong value.
        ForbiddenError: `team` without the scope `admin`.
    """
    given = list(request.query_params.multi_items())
    refuse_unknown("query parameter", (name for name, _ in given if not is_filter(name)), known=options)
    filters = read_filters((name, text) for name, text in given if is_filter(name))
    if filters.team is not None and Scope.ADMIN not in caller.scopes:
        raise ForbiddenError(f"the filter team needs the scope {Scope.ADMIN}")
    others = [(name, text) for name, text in given if not is_filter(name)]
    if len(dict(others)) < len(others):
        raise ValidationError("a query parameter is given twice")
    return filters, dict(others)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= MAX_LIMIT):
        raise ValidationError(f"limit must be a number from 1 to {MAX_LIMIT}")
    return int(text)
