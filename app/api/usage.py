"""GET /v1/usage: what tasks have used, by day, team, key or model, as JSON or CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, get
from msgspec import Meta

from app.api.auth import reach
from app.api.context import HttpRequest, context_of
from app.api.door import behind, visit_of
from app.api.envelope import success
from app.domain.errors import ForbiddenError, ValidationError
from app.domain.keys import Scope
from app.domain.task import parse_task_id
from app.domain.usage import GROUPS, UsageQuery, UsageRow

FORMATS = ("json", "csv")
_DEFAULT_DAYS = 30
_FORMULA = ("=", "+", "-", "@")
_QUERY = ("from", "to", "group_by", "team", "key_id", "model", "format")
_Count = Annotated[int, Meta(ge=0)]


class UsageView(msgspec.Struct, frozen=True, kw_only=True):
    """What the tasks of one group used.

    `group` joins the values that the rows are grouped by; each also stands under its own name, and is null
    where rows are not grouped by it. Averages are null where no task has run.
    """

    group: str
    day: str | None
    team: str | None
    key: str | None
    model: str | None
    tasks: _Count
    succeeded: _Count
    failed: _Count
    cancelled: _Count
    audio_seconds: float
    gpu_seconds: float
    stored_bytes: _Count
    average_run_seconds: float | None
    average_wait_seconds: float | None

    @classmethod
    def of(cls, row: UsageRow, group_by: Sequence[str]) -> "UsageView":
        """Show one row of an answer that is grouped so."""
        values = dict(zip(group_by, row.groups, strict=True))
        return cls(
            group=",".join(value or "" for value in row.groups),
            **{name: values.get(name) for name in GROUPS},
            tasks=row.succeeded + row.failed + row.cancelled,
            succeeded=row.succeeded,
            failed=row.failed,
            cancelled=row.cancelled,
            audio_seconds=round(row.audio_seconds, 3),
            gpu_seconds=round(row.gpu_seconds, 3),
            stored_bytes=row.stored_bytes,
            average_run_seconds=_rounded(row.average_run_seconds),
            average_wait_seconds=_rounded(row.average_wait_seconds),
        )


class UsageList(msgspec.Struct, frozen=True, kw_only=True):
    """Usage by group, in the order of the groups."""

    items: Sequence[UsageView]


@get("/v1/usage", **behind(Scope.USAGE_READ, query=_QUERY))
async def usage(request: HttpRequest) -> Response[bytes]:
    """Sum up usage; an admin sees all teams, others their own."""
    given = request.query_params
    kind = given.get("format", FORMATS[0])
    if kind not in FORMATS:
        raise ValidationError(f"format must be one of {', '.join(FORMATS)}")
    query = _query(request, given)
    rows = await context_of(request).services.usage(query)
    views = [UsageView.of(row, query.group_by) for row in rows]
    return _csv(views, query.group_by) if kind == "csv" else success(UsageList(items=views))


def _query(request: HttpRequest, given: Mapping[str, str]) -> UsageQuery:
    owner = reach(visit_of(request).caller)
    group_by = tuple(given.get("group_by", "day").split(","))
    if not 1 <= len(group_by) <= 2 or len(set(group_by)) < len(group_by) or set(group_by) - set(GROUPS):
        raise ValidationError(f"group_by must be one or two of {', '.join(GROUPS)}, with a comma")
    if owner is not None and ("team" in given or "team" in group_by):
        raise ForbiddenError("team: only an admin key may ask for other teams")
    last = _day(given["to"], "to") if "to" in given else datetime.now(UTC).date()
    first = _day(given["from"], "from") if "from" in given else last - timedelta(days=_DEFAULT_DAYS - 1)
    if first > last:
        raise ValidationError("from must not be later than to")
    return UsageQuery(
        owner=owner,
        first=first,
        last=last,
        group_by=group_by,
        team=_uuid(given, "team"),
        key_id=_uuid(given, "key_id"),
        model=_text(given, "model"),
    )


def _day(text: str, name: str) -> date:
    """Read a UTC day, or the one of a time."""
    try:
        if len(text) == len("2030-01-31"):
            day = date.fromisoformat(text)
        else:
            time = datetime.fromisoformat(text.replace(" ", "+"))  # an unescaped + of a time zone
            day = time.astimezone(UTC).date() if time.tzinfo else time.date()
    except (ValueError, OverflowError):
        raise ValidationError(f"{name} must be a day such as 2030-01-31, or a time") from None
    if not 1970 <= day.year < 9999:
        raise ValidationError(f"{name} is too far away")
    return day


def _text(given: Mapping[str, str], name: str) -> str | None:
    if "\0" in given.get(name, ""):
        raise ValidationError(f"{name} must not contain the character U+0000")
    return given.get(name)


def _uuid(given: Mapping[str, str], name: str) -> UUID | None:
    if name not in given:
        return None
    id_ = parse_task_id(given[name])
    if id_ is None:
        raise ValidationError(f"{name} must be an id")
    return id_


def _csv(views: Sequence[UsageView], group_by: Sequence[str]) -> Response[bytes]:
    names = [*group_by, *(name for name in UsageView.__struct_fields__ if name not in ("group", *GROUPS))]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([_cell(getattr(view, name)) for name in names] for view in views)
    headers = {"Content-Disposition": 'attachment; filename="usage.csv"'}
    return Response(text.getvalue().encode(), media_type="text/csv", headers=headers)


def _cell(value: object) -> object:
    """Keep spreadsheets from taking a text for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
