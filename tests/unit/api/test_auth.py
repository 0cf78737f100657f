from typing import Any
from uuid import uuid4

import pytest

from app.domain.keys import ALL_SCOPES, OPEN_SCOPES, make_key
from app.domain.task import TeamId
from tests.unit.api.fakes import Client, Connect, FakeServices

KEY = "the-operators-key"
OTHER = make_key()
GOOD = {"authorization": f"Bearer {KEY}"}
BAD = {"authorization": "Bearer wrong"}


async def test_open_mode_takes_everybody_but_grants_no_administration(
    client: Client, fakes: FakeServices
) -> None:
    response = await client.post("/release_task", json={"ai_token": "anything"}, headers=BAD)
    assert response.status_code == 200
    caller, submission, _, _ = fakes.submitted[0]
    assert (caller.team_id, caller.key_id, caller.scopes) == (TeamId(7), None, OPEN_SCOPES)
    assert not caller.scopes & {"team:manage", "admin"}
    assert "ai_token" not in submission.request


@pytest.mark.parametrize(
    ("token", "headers", "status", "text"),
    [
        (None, {}, 401, "missing ai_token or Authorization header"),
        ("", {}, 401, "missing ai_token or Authorization header"),
        (None, {"authorization": "Bearer "}, 401, "missing ai_token or Authorization header"),
        (None, BAD, 401, "invalid API key"),
        ("wrong", GOOD, 401, "invalid ai_token"),
        (["x"], GOOD, 401, "invalid ai_token"),
        (KEY, BAD, 200, None),
        ("", GOOD, 200, None),
        (None, GOOD, 200, None),
        (None, {"authorization": KEY}, 200, None),
        (None, {"authorization": f"bEaReR   {KEY} "}, 200, None),
        (None, {"authorization": f"Basic {KEY}"}, 401, "invalid API key"),
    ],
)
@pytest.mark.parametrize("path", ["/release_task", "/api/query_result"])
async def test_a_key_in_the_body_decides_before_the_header(
    connect: Connect, path: str, token: Any, headers: dict[str, str], status: int, text: str | None
) -> None:
    async with connect(bootstrap_key=KEY) as client:
        response = await client.post(path, json={"ai_token": token}, headers=headers)
    assert (response.status_code, response.json()["error"]) == (status, text)
    assert ("www-authenticate" in response.headers) == (status == 401)


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/stats", f"/v1/audio?path=audio/{'0' * 32}.mp3", "/v1/audio"]
)
@pytest.mark.parametrize(
    ("headers", "text"), [({}, "missing Authorization header"), (BAD, "invalid API key")]
)
async def test_routes_without_a_body_read_the_header(
    connect: Connect, path: str, headers: dict[str, str], text: str | None
) -> None:
    async with connect(bootstrap_key=KEY) as client:
        response = await client.get(path, headers=headers)
    assert (response.status_code, response.json()["error"]) == (401, text)


async def test_a_key_in_the_address_is_never_read(connect: Connect) -> None:
    async with connect(bootstrap_key=KEY) as client:
        response = await client.get("/v1/models", params={"ai_token": KEY, "key": KEY, "token": KEY})
    assert response.status_code == 401


async def test_health_needs_no_key(connect: Connect) -> None:
    async with connect(bootstrap_key=KEY) as client:
        assert (await client.get("/health", headers=BAD)).status_code == 200


async def test_a_body_that_does_not_parse_is_refused_before_the_key(connect: Connect) -> None:
    async with connect(bootstrap_key=KEY) as client:
        response = await client.post(
            "/release_task", content=b"{", headers={"content-type": "application/json"}
        )
    assert response.status_code == 400


async def test_the_bootstrap_key_may_do_everything(connect: Connect, fakes: FakeServices) -> None:
    async with connect(bootstrap_key=KEY) as client:
        await client.post("/release_task", json={}, headers=GOOD)
    assert fakes.submitted[0][0].scopes == ALL_SCOPES


async def test_a_stored_key_closes_the_service_and_acts_for_its_team(
    connect: Connect, fakes: FakeServices
) -> None:
    fakes.add_key(OTHER, team=TeamId(9), scopes=frozenset({"tasks:write"}))
    async with connect() as client:
        nobody = await client.post("/release_task", json={})
        team = await client.post("/release_task", json={"ai_token": OTHER})
    assert (nobody.status_code, team.status_code) == (401, 200)
    assert [call[0].team_id for call in fakes.submitted] == [TeamId(9)]


@pytest.mark.parametrize(
    ("verb", "path", "scope"),
    [
        ("POST", "/release_task", "tasks:write"),
        ("POST", "/query_result", "tasks:read"),
        ("GET", "/v1/audio?path=x", "audio:read"),
        ("GET", "/v1/stats", "stats:read"),
        ("GET", "/v1/tasks/x", "tasks:read"),
        ("POST", "/v1/tasks/x/cancel", "tasks:cancel"),
    ],
)
async def test_a_key_without_the_scope_is_403(
    connect: Connect, fakes: FakeServices, verb: str, path: str, scope: str
) -> None:
    fakes.add_key(OTHER, scopes=ALL_SCOPES - {scope, "admin"})
    body: dict[str, Any] = {"json": {}} if verb == "POST" else {}
    async with connect() as client:
        response = await client.request(verb, path, headers={"authorization": OTHER}, **body)
    assert (response.status_code, response.json()["error"]) == (403, f"the key lacks the scope {scope}")


async def test_model_lists_need_any_key_and_admin_implies_the_rest(
    connect: Connect, fakes: FakeServices
) -> None:
    plain, admin = make_key(), make_key()
    fakes.add_key(plain, scopes=frozenset())
    fakes.add_key(admin, scopes=frozenset({"admin"}))
    async with connect() as client:
        assert (await client.get("/v1/models", headers={"authorization": plain})).status_code == 200
        assert (await client.get("/v1/stats", headers={"authorization": admin})).status_code == 200


async def test_a_mistyped_key_never_reaches_the_database(connect: Connect, fakes: FakeServices) -> None:
    mistyped = OTHER[:-1] + ("0" if OTHER[-1] != "0" else "1")
    fakes.add_key(mistyped, scopes=ALL_SCOPES)  # would be found, if it were looked up
    async with connect() as client:
        response = await client.get("/v1/models", headers={"authorization": mistyped})
    assert (response.status_code, response.json()["error"]) == (401, "invalid API key")


async def test_only_an_admin_reaches_the_tasks_of_all_teams(connect: Connect, fakes: FakeServices) -> None:
    fakes.add_key(OTHER, team=TeamId(9), scopes=ALL_SCOPES - {"admin"})
    path = f"/v1/tasks/{uuid4()}"
    async with connect(bootstrap_key=KEY) as client:
        for key in (OTHER, KEY):
            await client.get(path, headers={"authorization": key})
            await client.post(f"{path}/cancel", headers={"authorization": key})
    assert fakes.teams_asked == [TeamId(9), TeamId(9), None, None]


async def test_a_token_that_is_no_unicode_text_is_just_wrong(connect: Connect) -> None:
    async with connect(bootstrap_key=KEY) as client:
        response = await client.get("/v1/models", headers={b"authorization": b"Bearer \xff\xfe"})
    assert response.status_code == 401


@pytest.mark.parametrize("path", ["/v1/teams/me/webhooks"])
async def test_open_mode_manages_nothing(client: Client, path: str) -> None:
    """Any web page in the operator's browser could ask."""
    response = await client.get(path)
    assert (response.status_code, response.json()["error"].split(";")[0]) == (403, "not without a key")
