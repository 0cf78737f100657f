"""Keys as attackers and typists send them, on every route; and that none is ever written down."""

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.domain.keys import ALL_SCOPES, PREFIX_CHARS, make_key
from app.logs import RedactingFormatter
from tests.integration.api.conftest import OPERATOR, World
from tests.integration.api.test_isolation import routes

TASK = uuid4()
OPEN_ROUTES = {"/health", "/docs", "/studio", "/admin", "/openapi.json", "/web/{path}"}
WITH_BODY = ("POST", "PATCH")
ENDLESS = {"/v1/tasks/stream"}

WRONG: dict[str, Callable[[str], str]] = {
    "unknown": lambda key: make_key(),
    "malformed": lambda key: key.replace("_", "-"),
    "truncated": lambda key: key[:-1],
    "half": lambda key: key[: len(key) // 2],
    "prefix": lambda key: key[:PREFIX_CHARS],
    "wrong checksum": lambda key: key[:-1] + ("0" if key[-1] != "0" else "1"),
    "look-alike": lambda key: key[:20] + ("О" if key[20] != "O" else "0") + key[21:],
    "upper case": str.upper,
    "twice": lambda key: key + key,
    "with more": lambda key: key + "\tx",
}


def closed_routes(world: World) -> Iterator[tuple[str, str, str]]:
    """Verb, address and template of every route that needs a key."""
    for verb, path in routes(world.app):
        if path not in OPEN_ROUTES:
            yield verb, re.sub(r"{\w+}", str(TASK), path), path


async def ask(
    world: World, verb: str, url: str, *, header: str | None = None, token: Any = None, **more: Any
) -> httpx.Response:
    headers = {} if header is None else {b"authorization": b"Bearer " + header.encode()}
    body = {"json": {} if token is None else {"ai_token": token}} if verb in WITH_BODY else {}
    return await world.client.request(verb, url, headers=headers, **body, **more)  # type: ignore[arg-type]


async def counted(database_url: str) -> tuple[int, int]:
    connection = await asyncpg.connect(database_url)
    row = await connection.fetchrow("SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM objects)")
    await connection.close()
    return row[0], row[1]


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_key_is_401_everywhere(world: World, database_url: str, wrong: str) -> None:
    before = await counted(database_url)
    key = WRONG[wrong](world.a.key)
    for verb, url, _ in closed_routes(world):
        response = await ask(world, verb, url, header=key)
        assert response.status_code == 401, (verb, url)
        if verb != "HEAD":
            assert response.json()["error"] == "invalid API key"
            assert key[PREFIX_CHARS:30] not in response.text or len(key) <= PREFIX_CHARS
        if verb in WITH_BODY:
            response = await ask(world, verb, url, token=key)
            assert (response.status_code, response.json()["error"]) == (401, "invalid ai_token")
    assert await counted(database_url) == before


async def test_no_key_is_401_everywhere_and_one_in_the_address_is_no_key(world: World) -> None:
    key = world.a.key
    for verb, url, _ in closed_routes(world):
        for response in (
            await ask(world, verb, url),
            await ask(
                world, verb, url, params={"ai_token": key, "key": key, "authorization": f"Bearer {key}"}
            ),
        ):
            assert response.status_code == 401, (verb, url)
            missing = "ai_token or Authorization" if verb in WITH_BODY else "Authorization"
            if verb != "HEAD":
                assert response.json()["error"] == f"missing {missing} header"
                assert key not in response.text


async def test_the_key_in_the_body_decides_alone(world: World) -> None:
    good, bad = world.admin.text, make_key()
    for verb, url, path in closed_routes(world):
        if verb in WITH_BODY:
            assert (await ask(world, verb, url, header=good, token=bad)).status_code == 401
            # Without a language model the one answer behind the door of /format_input is 503.
            inside = {503} if path == "/format_input" else {200, 400, 404}
            assert (await ask(world, verb, url, header=bad, token=good)).status_code in inside
            assert (await ask(world, verb, url, header=good, token="")).status_code in inside


async def test_a_good_key_opens_every_route(world: World) -> None:
    for verb, url, path in closed_routes(world):
        if path not in ENDLESS:
            assert (await ask(world, verb, url, header=world.admin.text)).status_code not in (401, 403), url


async def test_a_revoked_and_an_expired_key_are_401(world: World, database_url: str) -> None:
    # Keys that this process has not met before, so that none is remembered as good.
    revoked, expired = [await world.make_key("admin", name=name) for name in ("r", "e")]
    await world.keys.revoke(OPERATOR, str(revoked.key.id))
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE api_keys SET expires_at = now() WHERE name = 'e'")
    await connection.close()
    for made in (revoked, expired):
        for verb, url, _ in closed_routes(world):
            assert (await ask(world, verb, url, header=made.text)).status_code == 401


async def test_every_scope_is_asked_for(world: World) -> None:
    needs = {
        ("POST", "/release_task"): "tasks:write",
        ("POST", "/query_result"): "tasks:read",
        ("GET", "/v1/audio"): "audio:read",
        ("HEAD", "/v1/audio"): "audio:read",
        ("GET", "/v1/stats"): "stats:read",
        ("GET", "/v1/tasks/{task_id}"): "tasks:read",
        ("POST", "/v1/tasks/{task_id}/cancel"): "tasks:cancel",
        ("GET", "/v1/usage"): "usage:read",
        ("GET", "/v1/tasks/{task_id}/stream"): "tasks:read",
        ("GET", "/v1/tasks/stream"): "tasks:read",
        ("GET", "/metrics"): "admin",
        ("GET", "/v1/teams/me/webhooks"): "team:manage",
        ("POST", "/v1/teams/me/webhooks"): "team:manage",
        ("PATCH", f"/v1/teams/me/webhooks/{TASK}"): "team:manage",
        ("DELETE", f"/v1/teams/me/webhooks/{TASK}"): "team:manage",
        ("GET", f"/v1/teams/me/webhooks/{TASK}/deliveries"): "team:manage",
        ("POST", f"/v1/teams/me/webhooks/deliveries/{TASK}/redeliver"): "team:manage",
        ("POST", "/v1/teams/me/webhook-secret"): "team:manage",
    }
    for (verb, path), scope in needs.items():
        scopes = sorted(str(each) for each in ALL_SCOPES - {scope, "admin"})
        lesser = await world.make_key(*scopes)
        url = path.replace("{task_id}", str(world.a.done))
        assert (await ask(world, verb, url, header=lesser.text)).status_code == 403, (verb, path)


async def test_no_key_is_written_down_anywhere(
    world: World, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key, other = world.a.key, "ai-token-of-another-form"
    requests: list[dict[str, Any]] = [
        {"ai_token": key, "prompt": "x"},
        {"ai_token": key, "param_obj": {"ai_token": other}, "api_key": key},
        {"ai_token": key, "metas": '{"ai_token": "' + other + '"}', "model": "none"},
        {"ai_token": other},
        {"ai_token": key, "labels": key},
    ]
    bodies = [await world.client.post("/release_task", json=body) for body in requests]
    for verb, url, path in closed_routes(world):
        if path in ENDLESS:
            continue
        bodies.append(await ask(world, verb, url, header=key, params={"ai_token": key}))
        bodies.append(await ask(world, verb, f"{url}/{key}", header=key))
    bodies.append(await world.client.post("/release_task", content=b'{"ai_token": "' + key.encode()))
    assert [response.status_code for response in bodies[:5]] == [200, 200, 400, 401, 400]

    formatter = RedactingFormatter()
    logged = "\n".join(formatter.format(record) for record in caplog.records)
    answered = [record for record in caplog.records if record.getMessage() == "answered"]
    assert len(answered) == len(bodies)
    stored = await dump(database_url)
    assert "team-a" in stored
    answers = "\n".join(response.text for response in bodies)
    for secret in (key, key[PREFIX_CHARS:-7], other):
        assert secret not in logged
        assert secret not in stored
        assert secret not in answers
    # The first line of defence: our own lines do not need the filter.
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert not [record for record in ours if key in str(vars(record))]


async def dump(database_url: str) -> str:
    """Every row of every table as text."""
    connection = await asyncpg.connect(database_url)
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [
        row[0]
        for table in tables
        for row in await connection.fetch(f"SELECT t::text FROM {table['tablename']} t")  # noqa: S608
    ]
    await connection.close()
    return "\n".join(rows)


async def test_the_access_log_names_the_route_and_the_key_but_not_the_address(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="app.api.access")
    await ask(world, "GET", f"/api/v1/tasks/{world.a.done}", header=world.a.key)
    await ask(world, "GET", f"/v1/audio?path={world.b.audio}")
    await ask(world, "GET", "/nowhere")
    lines = [vars(record) for record in caplog.records if record.name == "app.api.access"]
    told = [(line["method"], line["route"], line["status"], line["key"]) for line in lines]
    assert told == [
        ("GET", "/api/v1/tasks/{task_id}", 200, world.a.key[:PREFIX_CHARS]),
        ("GET", "/v1/audio", 401, "-"),
        ("GET", "(unknown)", 404, "-"),
    ]
    assert all(line["bytes"] > 0 and line["ms"] >= 0 and line["request_id"] for line in lines)
    assert world.b.audio not in str(lines)
