"""How the own routes of tasks read a request; what they answer is in the integration tests."""

from typing import Any
from uuid import uuid4

import pytest

from app.domain.changes import Changes
from app.domain.keys import OPEN_SCOPES, Scope, make_key
from app.domain.rerun import Wish
from app.services import Relation
from tests.unit.api.fakes import Client, Connect, FakeServices

TASK = f"/v1/tasks/{uuid4()}"
CANCEL = f"/v1/tasks/{uuid4()}/cancel"


@pytest.mark.parametrize("task_id", ["x", "1", "a%00b", "%ff", "0" * 36, "é" * 36, str(uuid4()) + "0"])
async def test_an_id_that_is_no_uuid_is_unknown(client: Client, task_id: str) -> None:
    for response in (
        await client.get(f"/v1/tasks/{task_id}"),
        await client.post(f"/v1/tasks/{task_id}/cancel"),
        await client.patch(f"/v1/tasks/{task_id}", json={"priority": 1}),
        await client.delete(f"/v1/tasks/{task_id}"),
        await client.post(f"/v1/tasks/{task_id}/retry"),
        await client.post(f"/v1/tasks/{task_id}/rerun"),
    ):
        assert (response.status_code, response.json()["error"]) == (404, "task not found")


@pytest.mark.parametrize(
    ("verb", "path", "text"),
    [
        ("GET", CANCEL.removesuffix("/cancel") + "?include=events", "unknown query parameter: include"),
        ("POST", CANCEL + "?force=1", "unknown query parameter: force"),
    ],
)
async def test_unknown_query_parameters_are_refused(client: Client, verb: str, path: str, text: str) -> None:
    response = await client.request(verb, path)
    assert (response.status_code, response.json()["error"]) == (400, text)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 200),
        ({"content": b""}, 200),
        ({"json": {}}, 200),
        ({"json": {"ai_token": "anything, as nobody asks in open mode"}}, 200),
        ({"json": {"reason": "x"}}, 400),
        ({"json": []}, 400),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400),
    ],
)
async def test_the_body_of_a_cancel_may_be_missing(client: Client, body: dict[str, Any], status: int) -> None:
    response = await client.post(CANCEL, **body)
    assert response.status_code == status


async def test_a_key_in_the_address_is_not_repeated(client: Client) -> None:
    key = make_key()
    response = await client.post(f"{CANCEL}?{key}=1")
    assert response.json()["error"] == "unknown query parameter: ace_***"


async def test_a_change_is_read_strictly(client: Client, fakes: FakeServices) -> None:
    for body, text in (
        ({}, "nothing to change: send one of priority, labels, legal_hold"),
        ({"priority": "1"}, "priority must be a whole number"),
        ({"priority": True}, "priority must be a whole number"),
        ({"priority": None}, "priority must be a whole number"),
        ({"priority": 11}, "priority must be -10 to 10"),
        ({"labels": "a"}, "labels must be an object"),
        ({"labels": {"a": []}}, "a label must be a text"),
        ({"legal_hold": 1}, "legal_hold must be true or false"),
        ({"state": "queued"}, "unknown field: state"),
    ):
        response = await client.patch(TASK, json=body)
        assert (response.status_code, response.json()["error"]) == (400, text)
    assert (await client.patch(TASK, json={"legal_hold": True})).status_code == 403
    assert fakes.changes_made == []
    await client.patch(TASK, json={"priority": -1, "labels": {"a": "b"}})
    assert fakes.changes_made == [Changes(priority=-1, labels={"a": "b"})]


async def test_a_legal_hold_is_for_those_who_manage_the_team(connect: Connect, fakes: FakeServices) -> None:
    writer, manager, admin = make_key(), make_key(), make_key()
    fakes.add_key(writer, scopes=frozenset({Scope.TASKS_WRITE}))
    fakes.add_key(manager, scopes=frozenset({Scope.TASKS_WRITE, Scope.TEAM_MANAGE}))
    fakes.add_key(admin, scopes=frozenset({Scope.ADMIN}))
    async with connect() as client:
        for key in (writer, manager, admin):
            await client.patch(TASK, json={"legal_hold": False}, headers={"authorization": key})
    assert fakes.changes_made == [Changes(legal_hold=False)] * 2


async def test_a_rerun_names_seeds_and_overrides(client: Client, fakes: FakeServices) -> None:
    for body, text in (
        ({"seeds": "other"}, "seeds must be same or new"),
        ({"overrides": []}, "overrides must be an object"),
        ({"overrides": {"caption": "x"}}, "unknown parameter: caption"),
        ({"priority": 1}, "unknown field: priority"),
    ):
        response = await client.post(f"{TASK}/rerun", json=body)
        assert (response.status_code, response.json()["error"]) == (400, text)
    assert (await client.post(f"{TASK}/retry", json={"seeds": "new"})).status_code == 400
    wanted = {"seeds": "new", "overrides": {"prompt": "x", "bpm": None}}
    accepted = [
        await client.post(f"{TASK}/retry"),
        await client.post(f"{TASK}/rerun"),
        await client.post(f"{TASK}/rerun", json=wanted),
    ]
    assert [answer.json()["data"]["status"] for answer in accepted] == ["queued"] * 3
    assert fakes.repeated == [
        (Relation.RETRY, Wish(), {}),
        (Relation.RERUN, Wish(), {}),
        (Relation.RERUN, Wish(has_new_seeds=True, overrides=wanted["overrides"]), wanted),
    ]


@pytest.mark.parametrize(
    ("verb", "path", "scope"),
    [
        ("PATCH", TASK, Scope.TASKS_WRITE),
        ("DELETE", TASK, Scope.TASKS_DELETE),
        ("POST", f"{TASK}/retry", Scope.TASKS_WRITE),
        ("POST", f"{TASK}/rerun", Scope.TASKS_WRITE),
        ("POST", CANCEL, Scope.TASKS_CANCEL),
    ],
)
async def test_each_route_needs_its_scope(
    connect: Connect, fakes: FakeServices, verb: str, path: str, scope: Scope
) -> None:
    right, wrong = make_key(), make_key()
    fakes.add_key(right, scopes=frozenset({scope}))
    fakes.add_key(wrong, scopes=OPEN_SCOPES - {scope})
    body = {"json": {"priority": 1}} if verb == "PATCH" else {}
    async with connect() as client:
        answers = [
            (
                await client.request(verb, path, headers={"authorization": key} if key else {}, **body)
            ).status_code
            for key in (right, wrong, None)
        ]
    # The record behind a change is not there in this test.
    assert answers == [404 if verb == "PATCH" else 200, 403, 401]
