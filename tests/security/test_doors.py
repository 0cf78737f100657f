"""S5, S11 and S15: who comes through which door, over every route that there is."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from litestar.routes import HTTPRoute

from app.domain.keys import ALL_SCOPES, Scope, make_key
from tests.integration.api.conftest import OPERATOR, World
from tests.security.rights import ANY_KEY, NOBODY, RIGHTS, WITH_BODY, doors
from tests.security.scale import chance, share, tally

LOOK_ALIKES = str.maketrans("aceopxyABCEHKMOPTX", "асеорхуАВСЕНКМОРТХ")
Request = dict[str, Any]
UNKNOWN = (
    *("/", "/api", "/api/api/health", "/studio/x", "/v1", "/v1/", "/v1/audio/x", "/v1/lora/load"),
    *("/schema", "/schema/swagger", "/redoc", "/static/x", "/web/", "/web/docs.html", "/web/../settings.py"),
    *(
        "/.env",
        "/debug",
        "/v1/admin",
        "/v1/admin/queue",
        "/v1/tasks/x/y/z",
        "//health",
        "/v1/init",
        "/favicon.ico",
    ),
)
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "BREW")


async def test_s15_the_routes_are_an_allow_list(world: World) -> None:
    there = {
        f"{verb} {route.path_format}"
        for route in world.app.routes
        if isinstance(route, HTTPRoute)
        for verb in route.methods - {"OPTIONS"}
    }
    assert there == set(RIGHTS) | {route.replace(" ", " /api", 1) for route in RIGHTS}
    assert all(isinstance(route, HTTPRoute) for route in world.app.routes), "no sockets, no mounted folders"
    with tally("S15") as counted:
        for path in UNKNOWN:
            for verb in VERBS:
                response = await world.client.request(verb, path)
                counted.check(response.status_code in (404, 405), (verb, path, response.status_code))
        for path in {path for _, path, _ in doors()}:
            for verb in VERBS:
                if not _is_route(verb, path):
                    response = await world.client.request(verb, path)
                    told = verb == "HEAD" or response.json()["error"] == "method not allowed"
                    counted.check(response.status_code == 405 and told, (verb, path, response.status_code))


def _is_route(verb: str, path: str) -> bool:
    return any(
        verb == route.split(" ")[0]
        and re.fullmatch(re.sub(r"{\w+}", "[^/]+", route.split(" ")[1]), path.removeprefix("/api"))
        for route in RIGHTS
    )


async def test_s11_no_lesser_right_opens_a_door(world: World) -> None:
    keys = {scope: (await world.make_key(scope)).text for scope in ALL_SCOPES - {Scope.ADMIN}}
    with tally("S11", least=600) as counted:
        for verb, url, needed in doors():
            for scope, key in keys.items():
                if needed in (NOBODY, ANY_KEY, scope):
                    continue
                body = {"json": {}} if verb in WITH_BODY else {}
                response = await world.client.request(verb, url, headers={"authorization": key}, **body)
                told = verb == "HEAD" or response.json()["error"] == f"the key lacks the scope {needed}"
                counted.check(response.status_code == 403 and told, (verb, url, scope, response.status_code))


async def test_s5_no_key_but_a_right_one_opens_a_door(
    world: World, database_url: str, tmp_path: Path
) -> None:
    random = chance("S5")
    dead = await dead_keys(world)
    before = await everything(database_url, tmp_path)
    with tally("S5") as counted:
        for verb, url, needed in doors():
            if needed == NOBODY:
                continue
            wrong = wrong_requests(world.a.key, dead, verb, url)
            for request in random.sample(wrong, min(len(wrong), share(500, least=5))):
                plain = {"url": url, "json": {}} if verb in WITH_BODY else {"url": url}
                response = await world.client.request(verb, **plain | request)
                counted.check(response.status_code == 401, (verb, url, request, response.status_code))
    assert await everything(database_url, tmp_path) == before


async def dead_keys(world: World) -> list[str]:
    """A revoked and an expired one."""
    revoked, expired = await world.make_key("admin", name="r"), await world.make_key("admin", name="e")
    await world.keys.revoke(OPERATOR, str(revoked.key.id))
    await world.keys.change(
        OPERATOR, str(expired.key.id), {"expires_at": datetime.now(UTC) + timedelta(milliseconds=1)}
    )
    return [revoked.text, expired.text]


def wrong_keys(good: str, dead: list[str]) -> Iterator[str]:
    """Everything that resembles a key and is none."""
    random = chance("keys")
    yield from dead
    yield from (
        "",
        "Bearer",
        "Bearer ",
        "null",
        "undefined",
        "ace_",
        "admin",
        "0",
        "true",
        "*",
        "%",
        "' OR ''='",
    )
    yield from (good[:length] for length in (*range(1, len(good), 4), len(good) - 1))
    for _ in range(60):
        yield make_key()
        at = random.randrange(4, len(good))
        yield good[:at] + random.choice("0123456789abcdefXYZ_-") * 2 + good[at + 1 :]
        yield good[:at] + good[at].swapcase() + good[at + 1 :] if good[at].isalpha() else good[:at]
        yield good[:-6] + "".join(random.choices("0123456789abcdef", k=6)) + "x"
    yield from (good + more for more in ("x", "_", good, "%00", ";admin", ",admin", " admin"))
    yield from (good.lower(), good.upper(), good[::-1], good.replace("ace_", "ACE_"), good.replace("_", "-"))


def wrong_requests(good: str, dead: list[str], verb: str, url: str) -> list[Request]:
    """Requests that carry no right key in the place where it counts."""
    made: list[Request] = [
        {},
        {"headers": {"authorization": f"Basic {good}"}},
        {"headers": {"x-api-key": good}},
    ]
    made += [
        {"url": f"{url}?{name}={good}"}
        for name in ("ai_token", "api_key", "key", "token", "authorization", "access_token")
    ]
    made += [{"headers": {"cookie": f"{name}={good}"}} for name in ("authorization", "ai_token")]
    wrong = [key for key in dict.fromkeys(wrong_keys(good, dead)) if key.strip() != good]
    made += [
        {"headers": {"authorization": form.format(key)}} for key in wrong for form in ("{}", "Bearer {}")
    ]
    look_alike = good.translate(LOOK_ALIKES)
    made += [{"headers": {"authorization": look_alike.encode()}}]
    if verb in WITH_BODY:
        made += [
            {"json": {"ai_token": key}, "headers": {"authorization": f"Bearer {good}"}}
            for key in [*wrong, look_alike]
            if key
        ]
        made += [
            {"json": {"ai_token": odd}} for odd in (None, "", [], {}, 0, False, True, [good], {"key": good})
        ]
        made += [
            {"json": {"param_obj": {"ai_token": good}}},
            {"json": {"metas": f'{{"ai_token": "{good}"}}'}},
        ]
    return made


async def everything(database_url: str, folder: Path) -> list[Any]:
    """Rows of every table but for what keys leave when they are looked up, and all stored objects."""
    connection = await asyncpg.connect(database_url)
    try:
        names = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        )
        counts = [await connection.fetchval(f"SELECT count(*) FROM {row[0]}") for row in names]  # noqa: S608
    finally:
        await connection.close()
    return [*counts, *sorted(path for path in (folder / "objects").rglob("*") if path.is_file())]
