"""Webhooks of a team over HTTP: secrets shown once, strict fields, pages, and nothing of other teams."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.db.engine import Database
from tests.builders import claim
from tests.integration.api.conftest import World
from tests.integration.api.test_keys import dump
from tests.servers import execute
from tests.webhooks import succeed

HOOKS = "/v1/teams/me/webhooks"


async def ask(
    world: World, verb: str, url: str, body: Any = None, *, key: str | None = None
) -> httpx.Response:
    options: dict[str, Any] = {} if body is None else {"json": body}
    headers = {"authorization": key or world.a.key}
    return await world.client.request(verb, url, headers=headers, **options)


async def data(world: World, verb: str, url: str, body: Any = None) -> Any:
    response = await ask(world, verb, url, body)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def test_the_life_of_an_endpoint(world: World, database_url: str) -> None:
    made = await data(world, "POST", HOOKS, {"url": "https://Example.org"})
    assert made["url"] == "https://example.org/"
    assert made["events"] == ["task.succeeded", "task.failed", "task.cancelled"]
    assert (made["active"], made["old_secret_until"], made["last_delivery"]) == (True, None, None)
    url = f"{HOOKS}/{made['id']}"

    (_, listed) = (await data(world, "GET", HOOKS))["items"]
    assert listed == {**made, "secret": None}

    changed = await data(world, "PATCH", url, {"active": False, "events": ["task.started", "task.started"]})
    assert changed == {**listed, "active": False, "events": ["task.started"]}

    rotated = await data(world, "PATCH", url, {"rotate_secret": True, "overlap_hours": 1})
    assert rotated["secret"] not in (None, made["secret"])
    assert rotated["old_secret_until"] is not None
    at_once = await data(world, "PATCH", url, {"rotate_secret": True, "overlap_hours": 0})
    assert at_once["old_secret_until"] is None

    stored = await dump(database_url)
    for secret in (made["secret"], rotated["secret"], at_once["secret"]):
        assert secret not in stored, "sealed at rest"
    for action in ("webhook.created", "webhook.changed"):
        assert action in stored

    assert await data(world, "DELETE", url) == {"id": made["id"], "deleted": True}
    assert (await ask(world, "DELETE", url)).status_code == 404
    assert len((await data(world, "GET", HOOKS))["items"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": None},
        {"url": 5},
        {"url": "http://example.org/"},
        {"url": "https://127.0.0.1/"},
        {"url": "https://[::ffff:10.0.0.1]/"},
        {"url": "https://169.254.169.254/latest"},
        {"url": "https://2130706433/"},
        {"url": "https://user:secret@example.org/"},
        {"url": "https://example.org/#x"},
        {"url": "https://example.org/", "events": []},
        {"url": "https://example.org/", "events": ["task.deleted"]},
        {"url": "https://example.org/", "events": "task.failed"},
        {"url": "https://example.org/", "active": "yes"},
        {"url": "https://example.org/", "secret": "mine"},
        {"url": "https://example.org/", "rotate_secret": True},
    ],
)
async def test_what_cannot_be_an_endpoint_is_400(world: World, body: Any) -> None:
    response = await ask(world, "POST", HOOKS, body)
    assert response.status_code == 400
    assert "secret@" not in response.text
    assert len((await data(world, "GET", HOOKS))["items"]) == 1


async def test_a_team_has_at_most_twenty(world: World) -> None:
    statuses = [
        (await ask(world, "POST", HOOKS, {"url": "https://example.org/"})).status_code for _ in range(21)
    ]
    assert statuses == [200] * 19 + [409] * 2


async def test_deliveries_are_listed_page_by_page_and_sent_again_by_hand(world: World, db: Database) -> None:
    (task,) = await claim(db)
    await succeed(db, task)
    url = f"{HOOKS}/{world.a.webhook}/deliveries"
    first = await data(world, "GET", f"{url}?limit=1")
    assert (len(first["items"]), first["has_more"]) == (1, True)
    second = await data(world, "GET", f"{url}?limit=1&cursor={first['next_cursor']}")
    assert (second["has_more"], second["next_cursor"]) == (False, None)
    newest, oldest = first["items"][0], second["items"][0]
    assert [newest["task_id"], oldest["task_id"]] == [str(world.a.waiting), str(world.a.done)]
    assert (newest["event"], newest["state"], newest["tries"]) == ("task.succeeded", "pending", 0)
    assert (newest["attempts"], newest["delivered_at"], newest["dead_at"]) == ([], None, None)

    again = await data(world, "POST", f"{HOOKS}/deliveries/{oldest['id']}/redeliver")
    assert (again["id"], again["state"]) == (oldest["id"], "pending")
    for bad in (f"limit=0&{url}", "limit=201", "limit=x", "cursor=x", f"cursor={uuid4()}", "page=2"):
        assert (await ask(world, "GET", f"{url}?{bad}")).status_code == 400, bad
    foreign = await ask(world, "GET", f"{url}?cursor={world.b.delivery}")
    unknown = await ask(world, "GET", f"{url}?cursor={uuid4()}")
    assert foreign.json()["error"] == unknown.json()["error"]


async def test_what_the_webhook_of_a_single_task_was_told_is_listed_and_sent_again(
    world: World, db: Database, database_url: str
) -> None:
    url = f"{HOOKS}/deliveries"
    await execute(database_url, "UPDATE task_params SET webhook_url = 'https://of-the-task.example/'")
    (task,) = await claim(db)
    await succeed(db, task)
    async with db.autocommit() as work:
        for due in await work.deliveries.take(most=10, busy=[], hold_s=30):
            if due.endpoint_id is None:
                attempt = {"at": "", "status": 500, "latency_ms": 1, "answer": "", "error": "status 500"}
                await work.deliveries.record(
                    due.id,
                    due.tries,
                    is_delivered=False,
                    delay_s=None,
                    status=500,
                    error="status 500",
                    attempt=attempt,
                )
    everything = (await data(world, "GET", url))["items"]
    assert [item["webhook_id"] for item in everything].count(None) == 1
    assert len(everything) == 3
    (dead,) = (await data(world, "GET", f"{url}?state=dead"))["items"]
    assert (dead["task_id"], dead["webhook_id"]) == (str(task.id), None)
    assert (dead["url"], dead["state"]) == ("https://of-the-task.example/", "dead")
    of_task = (await data(world, "GET", f"{url}?task_id={task.id}"))["items"]
    assert {item["webhook_id"] for item in of_task} == {None, world.a.webhook}
    assert (await data(world, "GET", f"{url}?task_id={task.id}&state=delivered"))["items"] == []

    again = await data(world, "POST", f"{url}/{dead['id']}/redeliver")
    assert (again["id"], again["state"], again["tries"]) == (dead["id"], "pending", 0)
    assert (await data(world, "GET", f"{url}?state=dead"))["items"] == []

    pages = []
    cursor = ""
    for _ in range(3):
        page = await data(world, "GET", f"{url}?limit=1{cursor}")
        pages += page["items"]
        cursor = f"&cursor={page['next_cursor']}"
    assert ([item["id"] for item in pages], page["has_more"]) == ([item["id"] for item in everything], False)


async def test_the_list_of_a_team_is_read_strictly_and_shows_nothing_of_others(world: World) -> None:
    url = f"{HOOKS}/deliveries"
    for bad in (
        "state=lost",
        "task_id=x",
        "limit=0",
        f"cursor={uuid4()}",
        f"cursor={world.b.delivery}",
        "a=b",
    ):
        assert (await ask(world, "GET", f"{url}?{bad}")).status_code == 400, bad
    for task in (world.b.done, uuid4()):
        assert (await data(world, "GET", f"{url}?task_id={task}"))["items"] == []
    seen = (await data(world, "GET", url))["items"]
    assert {item["task_id"] for item in seen} == {str(world.a.done)}
    reader = await world.make_key("tasks:read")
    assert (await ask(world, "GET", url, key=reader.text)).status_code == 403


async def test_the_secret_of_the_team_is_shown_once_and_rotates(world: World, database_url: str) -> None:
    made = [await data(world, "POST", "/v1/teams/me/webhook-secret") for _ in range(3)]
    assert len({each["secret"] for each in made}) == 3
    assert [each["old_secret_until"] is None for each in made] == [True, False, False]
    stored = await dump(database_url)
    assert not any(each["secret"] in stored for each in made)
    assert "team.webhook_secret_rotated" in stored


async def test_a_team_is_me_or_its_own_id_and_an_admin_reaches_all(world: World) -> None:
    own = await data(world, "GET", f"/v1/teams/{world.a.team_id}/webhooks")
    assert [each["id"] for each in own["items"]] == [world.a.webhook]
    foreign = await ask(world, "GET", f"/v1/teams/{world.b.team_id}/webhooks")
    assert (foreign.status_code, foreign.json()["error"]) == (404, "team not found")
    admin = await world.make_key("admin", team="team-a")
    seen = await ask(world, "GET", f"/v1/teams/{world.b.team_id}/webhooks", key=admin.text)
    assert [each["id"] for each in seen.json()["data"]["items"]] == [world.b.webhook]


async def test_nothing_of_another_team_is_changed(world: World) -> None:
    foreign = f"{HOOKS}/{world.b.webhook}"
    for verb, url, body in (
        ("PATCH", foreign, {"url": "https://evil.example/"}),
        ("DELETE", foreign, None),
        ("GET", f"{foreign}/deliveries", None),
        ("POST", f"{HOOKS}/deliveries/{world.b.delivery}/redeliver", None),
    ):
        assert (await ask(world, verb, url, body)).status_code == 404
    seen = (await world.client.get(HOOKS, headers=world.b.headers)).json()["data"]["items"]
    assert [each["url"] for each in seen] == ["https://team-b.example/"]
    assert UUID(seen[0]["id"]) == UUID(world.b.webhook)
