"""How lists and exports read their query; what they find is in the integration tests."""

from typing import Any

import pytest

from app.domain.errors import DatabaseUnavailableError, ExportsBusyError
from app.domain.filters import Filters
from app.domain.keys import Scope, make_key
from app.services import ExportForm
from tests.unit.api.fakes import TEAM, Client, Connect, FakeServices


async def test_a_list_is_newest_first_and_fifty_long(client: Client, fakes: FakeServices) -> None:
    response = await client.get("/v1/tasks")
    assert response.json()["data"] == {"items": [], "next_cursor": None, "has_more": False}
    assert fakes.lists_asked == [(Filters(), True, 50, None)]


async def test_everything_in_the_query_is_passed_on(client: Client, fakes: FakeServices) -> None:
    query = "state=failed&state=queued&label.mood=calm+sea&q=rain&order=asc&limit=200&cursor=abc"
    assert (await client.get(f"/api/v1/tasks?{query}")).status_code == 200
    filters = Filters(state=("failed", "queued"), labels=(("mood", "calm sea"),), q="rain")
    assert fakes.lists_asked == [(filters, False, 200, "abc")]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("order=up", "order must be desc or asc"),
        ("limit=0", "limit must be a number from 1 to 200"),
        ("limit=201", "limit must be a number from 1 to 200"),
        ("limit=x", "limit must be a number from 1 to 200"),
        ("limit=1&limit=2", "a query parameter is given twice"),
        ("seed=1&seed=2", "seed is given twice"),
        ("offset=10", "unknown query parameter: offset"),
        ("format=csv", "unknown query parameter: format"),
        ("label=x", "unknown query parameter: label"),
    ],
)
async def test_what_a_list_does_not_know_is_refused(client: Client, query: str, text: str) -> None:
    response = await client.get(f"/v1/tasks?{query}")
    assert (response.status_code, response.json()["error"]) == (400, text)


@pytest.mark.parametrize(
    ("query", "form", "name", "media_type"),
    [
        ("", ExportForm.NDJSON, "ndjson", "application/x-ndjson"),
        ("?format=ndjson&include=events", ExportForm.NDJSON_WITH_EVENTS, "ndjson", "application/x-ndjson"),
        ("?format=csv", ExportForm.CSV, "csv", "text/csv; charset=utf-8"),
    ],
)
async def test_an_export_is_a_file(
    client: Client, fakes: FakeServices, query: str, form: ExportForm, name: str, media_type: str
) -> None:
    response = await client.get(f"/v1/tasks/export{query}")
    assert (response.status_code, response.text) == (200, "line\n")
    assert response.headers["content-type"] == media_type
    assert response.headers["content-disposition"].endswith(f'.{name}"')
    assert response.headers["content-disposition"].startswith('attachment; filename="tasks-2')
    assert fakes.exports_asked == [(Filters(), form)]


@pytest.mark.parametrize(
    "query", ["format=xls", "format=csv&include=events", "include=all", "order=asc", "cursor=x", "limit=5"]
)
async def test_what_an_export_does_not_know_is_refused(client: Client, query: str) -> None:
    assert (await client.get(f"/v1/tasks/export?{query}")).status_code == 400


@pytest.mark.parametrize(
    ("failure", "status"), [(ExportsBusyError(), 429), (DatabaseUnavailableError(), 503)]
)
async def test_an_export_that_cannot_begin_is_an_error(
    client: Client, fakes: FakeServices, failure: Exception, status: int
) -> None:
    fakes.failures = [failure]
    response = await client.get("/v1/tasks/export")
    assert response.status_code == status
    assert int(response.headers["retry-after"]) > 0
    assert response.json()["error"] == str(failure)


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/tasks/export"])
async def test_only_admins_choose_a_team(connect: Connect, fakes: FakeServices, path: str) -> None:
    mine, admins, blind = make_key(), make_key(), make_key()
    fakes.add_key(mine, scopes=frozenset({Scope.TASKS_READ}))
    fakes.add_key(admins, scopes=frozenset({Scope.ADMIN}))
    fakes.add_key(blind, scopes=frozenset({Scope.TASKS_WRITE}))
    asked: dict[str, Any] = {"params": {"team": "550e8400-e29b-41d4-a716-446655440000"}}
    async with connect() as client:
        answers = [
            (await client.get(path, headers={"authorization": key}, **more)).status_code
            for key, more in ((mine, {}), (mine, asked), (admins, {}), (admins, asked), (blind, {}))
        ]
        assert (await client.get(path)).status_code == 401
    assert answers == [200, 403, 200, 200, 403]
    assert fakes.teams_asked == [TEAM, None, None]
