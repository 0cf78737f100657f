"""Teams, keys and usage over HTTP, as hosts and their teams use them."""

from typing import Any

import httpx

from app.domain.keys import PREFIX_CHARS, is_well_formed
from tests.integration.api.conftest import Tenant, World
from tests.servers import execute


async def ask(world: World, tenant: Tenant, verb: str, url: str, **request: Any) -> httpx.Response:
    return await world.client.request(verb, url, headers=tenant.headers, **request)


def data(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def test_a_host_makes_a_team_and_its_first_key(world: World) -> None:
    wish = {"name": "studio", "max_queued": 1, "allowed_models": None, "weight": 2}
    team = data(await world.as_admin("POST", "/v1/teams", json=wish))
    assert (team["name"], team["max_queued"], team["weight"], team["disabled"]) == ("studio", 1, 2.0, False)
    assert team["created_at"].endswith("Z")
    assert data(await world.as_admin("GET", f"/v1/teams/{team['id']}")) == team
    taken = await world.as_admin("POST", "/v1/teams", json=wish)
    assert (taken.status_code, taken.json()["error"]) == (409, "a team named studio exists already")

    first = {"name": "laptop", "scopes": ["tasks:write", "team:manage"], "team_id": team["id"]}
    made = data(await world.as_admin("POST", "/v1/keys", json=first))
    assert is_well_formed(made["key"])
    assert (made["team_id"], made["prefix"]) == (team["id"], made["key"][:PREFIX_CHARS])
    headers = {"authorization": made["key"]}
    me = data(await world.client.get("/v1/teams/me", headers=headers))
    assert me["caller"] == {
        "key_id": made["id"],
        "key_prefix": made["prefix"],
        "scopes": ["tasks:write", "team:manage"],
        "open": False,
        "expires_at": None,
    }
    assert {name: me[name] for name in team} == team
    assert (await world.client.post("/release_task", json={}, headers=headers)).status_code == 200
    full = await world.client.post("/release_task", json={}, headers=headers)
    assert (full.status_code, "the team's queue is full" in full.json()["error"]) == (429, True)

    changed = data(await world.as_admin("PATCH", f"/v1/teams/{team['id']}", json={"max_queued": 2}))
    assert changed == team | {"max_queued": 2}
    assert (await world.client.post("/release_task", json={}, headers=headers)).status_code == 200


async def test_the_operators_key_has_no_id(world: World) -> None:
    me = data(await world.as_admin("GET", "/v1/teams/me"))
    assert (me["name"], me["caller"]["scopes"]) == ("default", ["admin"])
    assert me["caller"]["key_id"] == str(world.admin.key.id)


async def test_a_team_manages_its_own_keys(world: World) -> None:
    made = data(await ask(world, world.a, "POST", "/v1/keys", json={"name": "x", "scopes": ["tasks:read"]}))
    assert made["team_id"] == world.a.team_id
    listed = data(await ask(world, world.a, "GET", "/v1/keys"))
    assert [key["id"] for key in listed["items"]] == [world.a.key_id, made["id"]]
    assert "key" not in listed["items"][1]
    url = f"/v1/keys/{made['id']}"
    renamed = data(
        await ask(world, world.a, "PATCH", url, json={"name": "y", "expires_at": "2040-01-01T00:00Z"})
    )
    assert (renamed["name"], renamed["expires_at"]) == ("y", "2040-01-01T00:00:00.000Z")
    successor = data(await ask(world, world.a, "POST", f"{url}/rotate", json={"overlap_hours": 0}))
    assert (successor["name"], successor["scopes"]) == ("y", ["tasks:read"])
    assert is_well_formed(successor["key"])
    assert data(await ask(world, world.a, "GET", url))["expires_at"] < "2040"
    ended = data(await ask(world, world.a, "DELETE", f"/v1/keys/{successor['id']}"))
    assert ended["revoked_at"] is not None
    assert data(await ask(world, world.a, "DELETE", f"/v1/keys/{successor['id']}")) == ended
    refused = await ask(world, world.a, "POST", f"/v1/keys/{successor['id']}/rotate")
    assert (refused.status_code, refused.json()["error"]) == (409, "the key is revoked")


IMPOSSIBLE: list[tuple[str, str, Any, int, str]] = [
    ("POST", "/v1/keys", {"name": "x"}, 400, "scopes: a key needs it"),
    ("POST", "/v1/keys", {"name": "x", "scopes": ["admin"]}, 403, "cannot grant"),
    ("POST", "/v1/keys", {"name": "x", "scopes": ["tasks:read"], "team_id": "b"}, 400, "id of a team"),
    ("POST", "/v1/keys", {"name": "x", "scopes": ["tasks:read"], "id": 1}, 400, "unknown field: id"),
    ("POST", "/v1/keys/own/rotate", {"overlap_hours": 721}, 400, "0 to 720"),
    ("POST", "/v1/keys/own/rotate", {"overlap_hours": True}, 400, "0 to 720"),
    ("PATCH", "/v1/keys/own", {"scopes": []}, 400, "at least one"),
    ("GET", "/v1/keys/not-an-id", None, 404, "key not found"),
    ("GET", "/v1/keys?team=x", None, 403, "only an admin"),
    ("GET", "/v1/keys?limit=0", None, 400, "limit must be 1 to 200"),
    ("GET", "/v1/keys?cursor=AAAA", None, 400, "cursor"),
    ("PATCH", "/v1/teams/me", {"weight": 2}, 403, "only an admin key"),
    ("PATCH", "/v1/teams/me", {"max_queued": "3"}, 400, "whole number"),
    ("GET", "/v1/usage?group_by=hour", None, 400, "group_by must be one or two of"),
    ("GET", "/v1/usage?group_by=day,key,model", None, 400, "group_by must be one or two of"),
    ("GET", "/v1/usage?group_by=team", None, 403, "only an admin"),
    ("GET", "/v1/usage?team=x", None, 403, "only an admin"),
    ("GET", "/v1/usage?from=2030-01-02&to=2030-01-01", None, 400, "from must not be later"),
    ("GET", "/v1/usage?from=yesterday", None, 400, "from must be a day"),
    ("GET", "/v1/usage?key_id=x", None, 400, "key_id must be an id"),
    ("GET", "/v1/usage?model=a%00", None, 400, "U+0000"),
    ("GET", "/v1/usage?format=xml", None, 400, "format must be one of json, csv"),
]


async def test_what_cannot_be_is_said(world: World) -> None:
    for verb, url, body, status, text in IMPOSSIBLE:
        request = {} if body is None else {"json": body}
        response = await ask(world, world.a, verb, url.replace("own", world.a.key_id), **request)
        assert (response.status_code, text in response.json()["error"]) == (status, True), response.text


async def test_lists_go_on_where_their_cursor_says(world: World) -> None:
    for number in range(3):
        await world.make_key("tasks:read", name=f"key-{number}")
    names, cursor, pages = [], "", 0
    while cursor is not None:
        page = data(await ask(world, world.a, "GET", f"/v1/keys?limit=2{cursor and '&cursor=' + cursor}"))
        names += [key["name"] for key in page["items"]]
        assert page["has_more"] == (page["next_cursor"] is not None)
        cursor, pages = page["next_cursor"], pages + 1
    assert (names, pages) == (["key of team-a", "key-0", "key-1", "key-2"], 2)

    first = data(await ask(world, world.a, "GET", "/v1/keys?limit=1"))["next_cursor"]
    forged = first[:-5] + ("A" if first[-5] != "A" else "B") + first[-4:]
    for refused in (
        await ask(world, world.b, "GET", f"/v1/keys?cursor={first}"),
        await world.as_admin("GET", f"/v1/keys?cursor={first}"),
        await world.as_admin("GET", f"/v1/teams?cursor={first}"),
        await ask(world, world.a, "GET", f"/v1/keys?cursor={forged}"),
    ):
        assert refused.status_code == 400
    of_a = data(await world.as_admin("GET", f"/v1/keys?team={world.a.team_id}"))
    assert [key["name"] for key in of_a["items"]] == names
    assert len(data(await world.as_admin("GET", "/v1/keys"))["items"]) == 6


async def test_a_disabled_team_is_refused_and_an_audit_entry_says_by_whom(world: World) -> None:
    fresh = await world.make_key("tasks:read")
    await world.as_admin("PATCH", f"/v1/teams/{world.a.team_id}", json={"disabled": True})
    response = await world.client.get("/v1/teams/me", headers={"authorization": fresh.text})
    assert response.status_code == 401
    entry = data(await world.as_admin("GET", "/v1/admin/audit?limit=1"))["items"][0]
    assert (entry["actor"], entry["action"], entry["object"], entry["change"]) == (
        world.admin.key.prefix,
        "team.changed",
        f"team {world.a.team_id}",
        {"disabled": {"from": False, "to": True}},
    )


async def test_usage_is_of_the_own_team_and_of_all_for_an_admin(world: World, database_url: str) -> None:
    (row,) = data(await ask(world, world.a, "GET", "/v1/usage"))["items"]
    assert (row["tasks"], row["succeeded"], row["audio_seconds"], row["gpu_seconds"]) == (1, 1, 10.0, 1.0)
    assert (row["group"], row["team"], row["key"], row["model"]) == (row["day"], None, None, None)
    assert row["average_wait_seconds"] >= 0
    both = data(await world.as_admin("GET", "/v1/usage?group_by=team,day"))["items"]
    assert {item["team"] for item in both} == {world.a.team_id, world.b.team_id}
    assert all(item["group"] == f"{item['team']},{item['day']}" for item in both)
    (one,) = data(await world.as_admin("GET", f"/v1/usage?group_by=team&team={world.b.team_id}"))["items"]
    assert one["group"] == world.b.team_id
    assert data(await ask(world, world.a, "GET", "/v1/usage?to=2020-01-01"))["items"] == []
    today = row["day"]
    times = f"from={today}T00:00:00Z&to={today}T23:59:59%2B00:00"
    assert data(await ask(world, world.a, "GET", f"/v1/usage?{times}"))["items"] == [row]

    await execute(database_url, "UPDATE usage_daily SET model = '=1+1'")
    table = await ask(world, world.a, "GET", "/v1/usage?group_by=model,day&format=csv")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert table.headers["content-disposition"] == 'attachment; filename="usage.csv"'
    head, line = table.text.splitlines()
    assert head.startswith("model,day,tasks,succeeded,failed,cancelled,audio_seconds,gpu_seconds")
    assert line.startswith(f"'=1+1,{today},1,1,0,0,10.0,1.0,")


async def test_one_key_of_a_client_is_one_task(world: World) -> None:
    headers = world.a.headers | {"idempotency-key": "order-1"}
    body = {"prompt": "x", "param_obj": {"bpm": 90, "duration": 12}}
    answers = [await world.client.post("/release_task", json=body, headers=headers) for _ in range(3)]
    assert len({data(answer)["task_id"] for answer in answers}) == 1
    assert len({str(data(answer)) for answer in answers}) == 1
    replayed = [answer.headers.get("idempotent-replayed") for answer in answers]
    assert replayed == [None, "true", "true"]
    with_token = body | {"ai_token": world.a.key}
    again = await world.client.post(
        "/api/release_task", json=with_token, headers={"idempotency-key": "order-1"}
    )
    assert data(again) == data(answers[0])
    other = await world.client.post("/release_task", json={"prompt": "y"}, headers=headers)
    assert (other.status_code, "Idempotency-Key" in other.json()["error"]) == (409, True)
    theirs = await world.client.post(
        "/release_task", json={"prompt": "y"}, headers=world.b.headers | {"idempotency-key": "order-1"}
    )
    assert data(theirs)["task_id"] != data(answers[0])["task_id"]
    bad = await world.client.post("/release_task", json={}, headers=world.a.headers | {"idempotency-key": ""})
    assert (bad.status_code, "1 to 255" in bad.json()["error"]) == (400, True)


async def test_a_retry_and_a_rerun_can_be_repeated_too(world: World) -> None:
    task = f"/v1/tasks/{world.a.waiting}"
    await ask(world, world.a, "POST", f"{task}/cancel")
    headers = world.a.headers | {"idempotency-key": "again"}
    answers = [await world.client.post(f"{task}/retry", headers=headers) for _ in range(2)]
    assert data(answers[0]) == data(answers[1])
    assert answers[1].headers["idempotent-replayed"] == "true"
    other = await world.client.post(f"{task}/rerun", json={"seeds": "new"}, headers=headers)
    assert other.status_code == 409
    rerun = await world.client.post(f"/v1/tasks/{world.a.done}/retry", headers=headers)
    assert rerun.status_code == 409, "another operation with the same key"


async def test_a_repetition_is_answered_where_the_request_would_now_be_refused(world: World) -> None:
    headers = world.a.headers | {"idempotency-key": "order-1"}
    first = data(await world.client.post("/release_task", json={}, headers=headers))
    await world.as_admin("PATCH", f"/v1/teams/{world.a.team_id}", json={"allowed_models": ["none"]})
    assert data(await world.client.post("/release_task", json={}, headers=headers)) == first


async def test_models_and_priority_follow_the_team(world: World) -> None:
    team = f"/v1/teams/{world.a.team_id}"
    await world.as_admin("PATCH", team, json={"max_priority": 3})
    accepted = data(await ask(world, world.a, "POST", "/release_task", json={"priority": 9}))
    record = data(await ask(world, world.a, "GET", f"/v1/tasks/{accepted['task_id']}"))
    assert record["priority"] == 3
    assert [note["given"] for note in record["adjustments"] if note["field"] == "priority"] == [9]
    await world.as_admin("PATCH", team, json={"allowed_models": ["another"]})
    refused = await ask(world, world.a, "POST", "/release_task", json={})
    assert (refused.status_code, "not available" in refused.json()["error"]) == (400, True)


async def test_a_quota_is_a_429_with_a_time_to_come_back(world: World) -> None:
    team = f"/v1/teams/{world.a.team_id}"
    await world.as_admin("PATCH", team, json={"daily_audio_seconds": 200})
    body = {"audio_duration": 60, "batch_size": 1}
    assert (await ask(world, world.a, "POST", "/release_task", json=body)).status_code == 200
    refused = await ask(world, world.a, "POST", "/release_task", json=body | {"batch_size": 3})
    assert (refused.status_code, "daily audio quota" in refused.json()["error"]) == (429, True)
    assert 1 <= int(refused.headers["retry-after"]) <= 3600
