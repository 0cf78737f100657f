"""How the own routes of tasks read a request; what they answer is in the integration tests."""

from typing import Any
from uuid import uuid4

import pytest

from app.domain.keys import make_key
from tests.unit.api.fakes import Client

CANCEL = f"/v1/tasks/{uuid4()}/cancel"


@pytest.mark.parametrize("task_id", ["x", "1", "a%00b", "%ff", "0" * 36, "é" * 36, str(uuid4()) + "0"])
async def test_an_id_that_is_no_uuid_is_unknown(client: Client, task_id: str) -> None:
    for response in (
        await client.get(f"/v1/tasks/{task_id}"),
        await client.post(f"/v1/tasks/{task_id}/cancel"),
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
