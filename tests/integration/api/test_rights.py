"""Every own route that changes or shows more than the caller's tasks, with every key that may not."""

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
from litestar import Litestar
from litestar.routes import HTTPRoute

from app.domain.keys import ALL_SCOPES, Scope
from app.main import build
from app.settings import load
from tests.integration.api.conftest import PEPPER, World, running

GUARDED = ("/v1/admin", "/v1/teams", "/v1/keys", "/v1/usage")


def doors(app: Litestar) -> Iterator[tuple[str, str, Scope | None]]:
    """Verb, address and needed right of every guarded route, as the table of routes has them."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            path = route.path_format
            guarded = [each for each in route.route_handlers if "door" in each.opt]
            assert guarded or not path.removeprefix("/api").startswith(GUARDED) or "/webhook" in path
            for handler in guarded:
                for verb in handler.http_methods - {"OPTIONS"}:
                    for team_id in (str(uuid4()), "me") if "{team_id}" in path else ("",):
                        url = re.sub(r"{\w+}", str(uuid4()), path.replace("{team_id}", team_id))
                        yield verb, url, handler.opt["door"].needs({"team_id": team_id})


async def test_no_lesser_right_opens_an_administrative_route(world: World) -> None:
    keys = {scope: (await world.make_key(scope)).text for scope in ALL_SCOPES}
    keys_but_admin = await world.make_key(*(scope for scope in ALL_SCOPES if scope is not Scope.ADMIN))
    tried = 0
    for verb, url, needed in doors(world.app):
        for scope, key in [*keys.items(), (None, keys_but_admin.text)]:
            may = (
                needed is None
                or scope in (needed, Scope.ADMIN)
                or (scope is None and needed is not Scope.ADMIN)
            )
            if may:
                continue
            response = await world.client.request(verb, url, headers={"authorization": key})
            assert response.status_code == 403, (verb, url, scope)
            assert response.json()["error"] == f"the key lacks the scope {needed}"
            tried += 1
    assert tried > 250


async def test_the_door_of_every_administrative_route_is_admin(world: World) -> None:
    needed = {
        (verb, re.sub("[0-9a-f-]{36}", "*", url.removeprefix("/api"))): scope
        for verb, url, scope in doors(world.app)
    }
    assert all(scope is Scope.ADMIN for (_, url), scope in needed.items() if url.startswith("/v1/admin"))
    assert {key for key, scope in needed.items() if scope is None} == {("GET", "/v1/teams/me")}
    assert {key for key, scope in needed.items() if scope is Scope.TEAM_MANAGE} == {
        ("PATCH", "/v1/teams/me"),
        ("GET", "/v1/keys"),
        ("POST", "/v1/keys"),
        ("GET", "/v1/keys/*"),
        ("PATCH", "/v1/keys/*"),
        ("DELETE", "/v1/keys/*"),
        ("POST", "/v1/keys/*/rotate"),
    }


async def test_who_may_not_pass_does_not_learn_what_the_route_knows(world: World) -> None:
    response = await world.client.post("/v1/admin/queue/pause", json={"sooner": 1}, headers=world.a.headers)
    assert response.status_code == 403
    response = await world.as_admin("POST", "/v1/admin/queue/pause", json={"sooner": 1})
    assert (response.status_code, response.json()["error"]) == (400, "unknown field: sooner")
    response = await world.as_admin("GET", "/v1/teams?page=2")
    assert (response.status_code, response.json()["error"]) == (400, "unknown query parameter: page")
    response = await world.as_admin("POST", "/v1/teams", data={"name": "x"})
    assert response.status_code == 415


async def test_open_mode_neither_manages_nor_administers(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    settings = load(data_dir=tmp_path)
    app = await build(settings, database_url=database_url, redis_url=redis_url, pepper=PEPPER.encode())
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with running(app), httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for verb, url, needed in doors(app):
            response = await client.request(verb, url)
            is_open = needed not in (Scope.ADMIN, Scope.TEAM_MANAGE)
            assert response.status_code == (200 if is_open else 403), url
        me = (await client.get("/v1/teams/me")).json()["data"]
    assert (me["name"], me["caller"]["open"], me["caller"]["key_id"]) == ("default", True, None)
    assert not {"admin", "team:manage"} & set(me["caller"]["scopes"])
