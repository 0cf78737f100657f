"""One team never sees another: on every route, what belongs to others looks like what does not exist.

The test walks the routes of the running application. A route with an id or a path in its address is tried by
itself when its parameter is named below; any other route must say here how an id reaches it, or that none
does. So a new route fails the first test until somebody has thought about it.
"""

import json
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from tests.integration.api.conftest import Tenant, World

OWN_HEADERS = ("x-request-id", "content-disposition")  # the latter names a time
TIMESTAMP = re.compile(rb'"timestamp":\d+')


@dataclass(frozen=True)
class Case:
    """How ids of one kind reach a route, and which of them the owner would use.

    In a URL of the request `<done>` and `<webhook>` stand for those of the team that asks.
    """

    kind: str
    request: Callable[[str], dict[str, Any]]


def owned(tenant: Tenant, kind: str) -> list[str]:
    """Real ids and paths of a team."""
    return {
        "task": [str(tenant.done), str(tenant.waiting)],
        "audio": [tenant.audio],
        "hash": [tenant.sha256],
        "key": [tenant.key_id],
        "cursor": [tenant.cursor],
        "key cursor": [tenant.key_cursor],
        "word": [tenant.name],
        "team": [tenant.team_id],
        "worker": [str(uuid4())],  # workers belong to nobody
        "webhook": [tenant.webhook],
        "delivery": [tenant.delivery],
    }[kind]


def invented(kind: str) -> str:
    return {
        "audio": f"audio/{secrets.token_hex(16)}.wav",
        "hash": secrets.token_hex(32),
        "cursor": secrets.token_urlsafe(32),
        "key cursor": secrets.token_urlsafe(32),
        "word": secrets.token_hex(3),
    }.get(kind, str(uuid4()))


FILTERS = {"parent_id": "task", "sha256": "hash", "key_id": "key", "q": "word", "label.project": "word"}


def by_filters(**more: str) -> list[Case]:
    return [
        Case(kind, lambda value, name=name: {"params": {name: value, **more}})
        for name, kind in FILTERS.items()
    ]


PATH_PARAMETERS = {
    "task_id": "task",
    "team_id": "team",
    "key_id": "key",
    "worker_id": "worker",
    "webhook_id": "webhook",
    "delivery_id": "delivery",
}
# What the other parameters of an address are, while one of them names what is foreign.
OWN = {"team_id": "me", "webhook_id": str(uuid4()), "delivery_id": str(uuid4())}

COVER = {"task_type": "cover"}
OF_TEAM = "/v1/teams/me/webhooks/deliveries"
OWN_DELIVERIES = "/v1/teams/me/webhooks/<webhook>/deliveries"


def parts(**fields: str) -> dict[str, Any]:
    """A multipart form without files."""
    return {"files": {name: (None, value) for name, value in fields.items()}}


def overriding(**parameters: str) -> dict[str, Any]:
    return {"url": "/v1/tasks/<done>/rerun", "json": {"overrides": parameters}}


# How ids reach a route beside the parameters of its address.
CASES: dict[str, list[Case]] = {
    "POST /query_result": [
        Case("task", lambda id_: {"json": {"task_id_list": [id_]}}),
        Case("task", lambda id_: {"json": {"task_id_list": f'["{id_}"]'}}),
    ],
    "GET /v1/tasks": [
        *by_filters(),
        Case("cursor", lambda cursor: {"params": {"cursor": cursor}}),
    ],
    "GET /v1/tasks/export": [
        *by_filters(),
        Case("cursor", lambda cursor: {"params": {"cursor": cursor}}),  # there is none
    ],
    "GET /v1/audio": [Case("audio", lambda path: {"params": {"path": path}})],
    "HEAD /v1/audio": [Case("audio", lambda path: {"params": {"path": f"/{path}"}})],
    "POST /release_task": [
        Case("audio", lambda path: {"json": {"task_type": "cover", "src_audio_path": path}}),
        Case("audio", lambda path: {"json": {"reference_audio_path": f"/v1/audio?path={path}"}}),
        Case("audio", lambda path: {"json": {"param_obj": {"referenceAudioPath": path}}}),
        Case("audio", lambda path: {"json": {"param_obj": json.dumps({**COVER, "ctx_audio_path": path})}}),
        Case("audio", lambda path: {"json": {"metadata": {"ref_audio_path": f"/{path}"}}}),
        Case("audio", lambda path: {"data": {**COVER, "sourceAudioPath": path}}),
        Case("audio", lambda path: {"data": {"param_obj": json.dumps({"refAudioPath": path})}}),
        Case("audio", lambda path: parts(**COVER, src_audio_path=f"http://test/v1/audio?path={path}")),
        Case("audio", lambda path: parts(metas=json.dumps({"reference_audio_path": path}))),
    ],
    "POST /v1/tasks/{task_id}/rerun": [
        Case("audio", lambda path: overriding(task_type="cover", src_audio_path=path)),
        Case("audio", lambda path: overriding(reference_audio_path=f"/v1/audio?path={path}")),
    ],
    "GET /v1/teams/{team_id}/webhooks/{webhook_id}/deliveries": [
        Case("delivery", lambda id_: {"url": f"{OWN_DELIVERIES}?cursor={id_}"}),
    ],
    "GET /v1/teams/{team_id}/webhooks/deliveries": [
        Case("delivery", lambda id_: {"url": f"{OF_TEAM}?cursor={id_}"}),
        Case("task", lambda id_: {"url": f"{OF_TEAM}?task_id={id_}"}),
    ],
    "GET /v1/keys": [
        Case("team", lambda id_: {"params": {"team": id_}}),
        Case("key cursor", lambda cursor: {"params": {"cursor": cursor}}),
    ],
    "POST /v1/keys": [
        Case("team", lambda id_: {"json": {"name": "x", "scopes": ["tasks:read"], "team_id": id_}}),
    ],
    "GET /v1/usage": [
        Case("key", lambda id_: {"params": {"key_id": id_}}),
        Case("team", lambda id_: {"params": {"team": id_}}),
    ],
}

BODIES = {
    "POST /v1/teams/{team_id}/webhooks": {"json": {"url": "https://example.org/"}},
    "PATCH /v1/tasks/{task_id}": {"json": {"labels": {"a": "b"}}},
}
"""What a request needs beside the id, to come so far that the id matters."""

NO_IDS = {
    "GET /v1/tasks/stream",  # test_streams.py looks into it
    "GET /v1/models",
    "GET /v1/model_inventory",
    "GET /v1/stats",
    "GET /metrics",
    "GET /health",
    "GET /openapi.json",
    "GET /docs",
    "GET /studio",
    "GET /admin",
    "GET /web/{path}",
    "POST /create_random_sample",
    "POST /format_input",
    "GET /v1/teams",
    "POST /v1/teams",
    "GET /v1/admin/status",
    "GET /v1/admin/workers",
    "GET /v1/admin/audit",
    "POST /v1/admin/queue/pause",
    "POST /v1/admin/queue/resume",
}


def routes(app: Litestar) -> Iterator[tuple[str, str]]:
    """Every verb and path template, those below /api once."""
    for route in app.routes:
        if isinstance(route, HTTPRoute) and not route.path_format.startswith("/api/"):
            for verb in sorted(route.methods - {"OPTIONS"}):
                yield verb, route.path_format


def cases(verb: str, path: str) -> list[Case]:
    names = re.findall(r"{(\w+)}", path)
    if f"{verb} {path}" in NO_IDS:
        return []
    known = CASES.get(f"{verb} {path}", [])
    if names and all(name in PATH_PARAMETERS for name in names):
        return [
            *known,
            *(
                Case(PATH_PARAMETERS[name], lambda id_, name=name: {"url": path.format(**{**OWN, name: id_})})
                for name in names
            ),
        ]
    assert not names, f"no case for the parameters of {path}: name them in PATH_PARAMETERS"
    assert known, f"no case for {verb} {path}: add one to CASES, or to NO_IDS if no id reaches it"
    return known


async def ask(world: World, tenant: Tenant, verb: str, path: str, case: Case, id_: str) -> httpx.Response:
    request: dict[str, Any] = {
        "url": path,
        **BODIES.get(f"{verb} {path.removeprefix('/api')}", {}),
        **case.request(id_),
    }
    url = request["url"].replace("<done>", str(tenant.done)).replace("<webhook>", tenant.webhook)
    below_api = path.startswith("/api/") and not url.startswith("/api/")
    request["url"] = "/api" + url if below_api else url
    return await world.client.request(verb, headers=tenant.headers, **request)


def shown(response: httpx.Response, id_: str) -> tuple[Any, ...]:
    """All that a client can see, but for the time and the id that it sent itself."""
    body = TIMESTAMP.sub(b'"timestamp":0', response.content).replace(id_.encode(), b"<id>")
    headers = {name: value for name, value in response.headers.items() if name not in OWN_HEADERS}
    return response.status_code, headers, body


async def test_every_route_with_an_id_has_a_case(world: World) -> None:
    walked = [(verb, path) for verb, path in routes(world.app) if cases(verb, path)]
    assert ("GET", "/v1/tasks/{task_id}") in walked
    assert ("POST", "/query_result") in walked
    below_api = {path.path_format.removeprefix("/api") for path in world.app.routes}
    assert {path for _, path in routes(world.app)} <= below_api


async def test_a_route_without_a_case_is_noticed() -> None:
    with pytest.raises(AssertionError, match="no case for GET /v1/new"):
        cases("GET", "/v1/new")
    with pytest.raises(AssertionError, match="name them"):
        cases("GET", "/v1/things/{thing_id}")


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_foreign_is_unknown_on_every_route(world: World, prefix: str) -> None:
    compared = 0
    for verb, path in routes(world.app):
        for case in cases(verb, path):
            unknown_id = invented(case.kind)
            unknown = shown(await ask(world, world.a, verb, prefix + path, case, unknown_id), unknown_id)
            for id_ in owned(world.b, case.kind):
                foreign = shown(await ask(world, world.a, verb, prefix + path, case, id_), id_)
                assert foreign == unknown, (verb, path)
                assert world.b.name.encode() not in foreign[2]
                compared += 1
    assert compared >= 10


async def test_the_owner_does_get_its_own(world: World) -> None:
    """Without this the comparison above could be one of two broken requests."""
    done = str(world.b.done)
    headers = world.b.headers
    record = (await world.client.get(f"/v1/tasks/{done}", headers=headers)).json()["data"]
    assert (record["state"], record["parameters"]["prompt"]) == ("succeeded", "secret words of team-b")
    entry = (await world.client.post("/query_result", json={"task_id_list": [done]}, headers=headers)).json()
    assert entry["data"][0]["state"] == "succeeded"
    audio = await world.client.get("/v1/audio", params={"path": world.b.audio}, headers=headers)
    assert audio.content == b"sound of team-b" * 10
    cancel = await world.client.post(f"/v1/tasks/{world.b.waiting}/cancel", headers=headers)
    assert cancel.json()["data"] == {
        "id": str(world.b.waiting),
        "state": "cancelled",
        "cancel_requested": True,
    }


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/tasks/export"])
async def test_the_owner_finds_its_own_by_every_filter(world: World, path: str) -> None:
    for case in by_filters():
        for value in owned(world.b, case.kind)[:1]:
            response = await ask(world, world.b, "GET", path, case, value)
            found = str(world.b.done) in response.text
            assert found == ("parent_id" not in case.request(value)["params"]), case.request(value)
    cursor = {"params": {"cursor": world.b.cursor}, "headers": world.b.headers}
    rest = (await world.client.get("/v1/tasks", **cursor)).json()["data"]
    assert [item["id"] for item in rest["items"]] == [str(world.b.done)]


async def test_the_owner_may_name_its_own_audio_in_every_way(world: World) -> None:
    for route in ("POST /release_task", "POST /v1/tasks/{task_id}/rerun"):
        for case in CASES[route]:
            verb, path = route.split()
            response = await ask(world, world.b, verb, path, case, world.b.audio)
            assert response.status_code == 200, (response.text, case.request("x"))


async def test_the_owner_goes_on_after_its_own_cursors(world: World) -> None:
    for route, kind in (
        ("GET /v1/keys", "key cursor"),
        ("GET /v1/teams/{team_id}/webhooks/{webhook_id}/deliveries", "delivery"),
        ("GET /v1/teams/{team_id}/webhooks/deliveries", "delivery"),
    ):
        case = next(case for case in CASES[route] if case.kind == kind)
        verb, path = route.split()
        response = await ask(world, world.b, verb, path, case, owned(world.b, kind)[0])
        assert response.json()["data"]["items"] == [], response.text


@pytest.mark.parametrize(
    ("path", "body", "other_body"),
    [
        ("/release_task", {"prompt": "a"}, {"prompt": "b"}),
        ("/v1/tasks/<done>/rerun", {}, {"seeds": "new"}),
    ],
)
async def test_the_idempotency_key_of_another_team_is_a_new_one(
    world: World, path: str, body: dict[str, str], other_body: dict[str, str]
) -> None:
    async def send(tenant: Tenant, key: str, fields: dict[str, str]) -> httpx.Response:
        url = path.replace("<done>", str(tenant.done))
        return await world.client.post(url, json=fields, headers={**tenant.headers, "idempotency-key": key})

    theirs = await send(world.b, "the-key", body)
    assert (await send(world.b, "the-key", body)).headers["idempotent-replayed"] == "true"
    assert (await send(world.b, "the-key", other_body)).status_code == 409
    seen = []
    for key, fields in (("unknown-1", body), ("the-key", body), ("unknown-2", other_body)):
        response = await send(world.a, key, fields)
        assert response.json()["data"]["task_id"] != theirs.json()["data"]["task_id"]
        id_ = response.json()["data"]["task_id"]
        # The task goes again, so that the next one has the same place.
        await world.client.post(f"/v1/tasks/{id_}/cancel", headers=world.a.headers)
        seen.append(shown(response, id_))
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0] == 200


async def test_asking_for_foreign_tasks_changes_none(world: World) -> None:
    for id_ in (world.b.waiting, world.b.done):
        await world.client.post(f"/v1/tasks/{id_}/cancel", headers=world.a.headers)
    entries = await world.client.post(
        "/query_result", json={"task_id_list": [str(world.b.waiting)]}, headers=world.b.headers
    )
    assert entries.json()["data"][0]["state"] == "queued"


async def test_foreign_ids_between_own_ones_stay_unknown(world: World) -> None:
    mixed: list[UUID] = [world.a.done, world.b.done, world.a.waiting, world.b.waiting, world.a.done]
    response = await world.client.post(
        "/query_result", json={"task_id_list": [str(id_) for id_ in mixed]}, headers=world.a.headers
    )
    states = [entry["state"] for entry in response.json()["data"]]
    assert states == ["succeeded", "not_found", "queued", "not_found", "succeeded"]
    assert b"team-b" not in response.content


async def test_statistics_are_of_the_own_team(world: World) -> None:
    for _ in range(2):
        stats = (await world.client.get("/v1/stats", headers=world.a.headers)).json()["data"]
        assert (stats["jobs"]["total"], stats["jobs"]["succeeded"], stats["queue_size"]) == (2, 1, 2)
