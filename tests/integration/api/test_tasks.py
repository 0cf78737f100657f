"""Own routes of tasks over HTTP: change, repeat once, erase, and what every route then says."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration.api.conftest import World


async def data(world: World, method: str, path: str, **request: Any) -> Any:
    response = await world.client.request(method, path, headers=world.a.headers, **request)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def status(world: World, method: str, path: str, **request: Any) -> tuple[int, str]:
    response = await world.client.request(method, path, headers=world.a.headers, **request)
    return response.status_code, response.json()["error"]


async def test_a_change_answers_the_record(world: World) -> None:
    path = f"/v1/tasks/{world.a.waiting}"
    changed = await data(
        world, "PATCH", path, json={"labels": {"mood": "calm"}, "priority": 7, "legal_hold": True}
    )
    assert (changed["labels"], changed["priority"], changed["legal_hold"]) == ({"mood": "calm"}, 0, True)
    assert changed == await data(world, "GET", path)
    listed = await data(world, "GET", "/v1/tasks?label.mood=calm")
    assert [item["id"] for item in listed["items"]] == [str(world.a.waiting)]
    assert await status(world, "DELETE", path) == (409, "a legal hold keeps this task")


@pytest.mark.parametrize("relation", ["rerun", "retry"])
async def test_a_repetition_with_a_key_happens_once(world: World, relation: str) -> None:
    task = world.a.done
    if relation == "retry":
        await data(world, "POST", f"/v1/tasks/{world.a.waiting}/cancel")
        task = world.a.waiting
    path = f"/v1/tasks/{task}/{relation}"
    headers = {**world.a.headers, "idempotency-key": "order-1"}
    first, second = [await world.client.post(path, headers=headers) for _ in range(2)]
    assert first.status_code == second.status_code == 200, first.text
    assert first.json()["data"] == second.json()["data"]
    assert ("idempotent-replayed" in first.headers, second.headers["idempotent-replayed"]) == (False, "true")
    other = await world.client.post(f"/v1/tasks/{world.a.done}/rerun", headers=headers, json={"seeds": "new"})
    assert other.status_code == 409
    again = await data(world, "POST", path)
    children = await data(world, "GET", f"/v1/tasks?parent_id={task}")
    assert [item["id"] for item in children["items"]] == [again["task_id"], first.json()["data"]["task_id"]]
    child = await data(world, "GET", f"/v1/tasks/{again['task_id']}")
    assert (child["parent_id"], child["parent_relation"]) == (str(task), relation)


async def test_an_erased_task_is_gone_on_every_route(world: World) -> None:
    task = str(world.a.done)
    assert await data(world, "DELETE", f"/v1/tasks/{task}") == {"id": task, "state": "succeeded"}
    for method, path in (
        ("GET", ""),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("POST", "/rerun"),
        ("GET", "/stream"),
    ):
        assert await status(world, method, f"/v1/tasks/{task}{path}") == (404, "task not found"), path
    assert (await status(world, "PATCH", f"/v1/tasks/{task}", json={"labels": {}}))[0] == 404
    assert await data(world, "DELETE", f"/v1/tasks/{task}") == {"id": task, "state": "succeeded"}, "as before"
    foreign = await world.client.delete(f"/v1/tasks/{task}", headers=world.b.headers)
    assert (foreign.status_code, foreign.json()["error"]) == (404, "task not found")
    (entry,) = await data(world, "POST", "/query_result", json={"task_id_list": [task]})
    assert (entry["status"], entry["state"]) == (2, "not_found")
    assert (await status(world, "GET", "/v1/audio", params={"path": world.a.audio}))[0] == 404
    listed = await data(world, "GET", "/v1/tasks")
    assert [item["id"] for item in listed["items"]] == [str(world.a.waiting)]
    stats = await data(world, "GET", "/v1/stats")
    assert (stats["jobs"]["total"], stats["jobs"]["succeeded"]) == (2, 1), "counted all the same"


async def test_a_clip_that_left_the_store_is_404_for_get_and_head(world: World, tmp_path: Path) -> None:
    ask = {"url": "/v1/audio", "params": {"path": world.a.audio}, "headers": world.a.headers}
    there = [(await world.client.request(verb, **ask)).status_code for verb in ("GET", "HEAD")]
    for clip in (tmp_path / "objects").rglob("*.wav"):
        clip.unlink()
    gone = [await world.client.request(verb, **ask) for verb in ("GET", "HEAD")]
    part = {**ask, "headers": {**world.a.headers, "range": "bytes=0-1"}}
    gone += [await world.client.request(verb, **part) for verb in ("GET", "HEAD")]
    assert (there, [response.status_code for response in gone]) == ([200, 200], [404] * 4)


async def test_a_page_and_its_cursor_over_http(world: World) -> None:
    first = await data(world, "GET", "/v1/tasks?limit=1")
    second = await data(world, "GET", "/api/v1/tasks", params={"limit": 1, "cursor": first["next_cursor"]})
    assert [page["items"][0]["id"] for page in (first, second)] == [str(world.a.waiting), str(world.a.done)]
    assert (first["has_more"], second["has_more"], second["next_cursor"]) == (True, False, None)
    for query in ("order=asc", "state=queued", "label.a=b"):
        code, text = await status(world, "GET", f"/v1/tasks?{query}&cursor={first['next_cursor']}")
        assert (code, "does not belong to this list" in text) == (400, True)


async def test_the_key_of_an_admin_is_one_of_the_admins_own(world: World) -> None:
    path = f"/v1/tasks/{world.a.done}/rerun"
    taken = {**world.a.headers, "idempotency-key": "order-1"}
    of_tenant = await world.client.post(path, headers=taken, json={"seeds": "new"})
    named = {"authorization": f"Bearer {world.admin.text}", "idempotency-key": "order-1"}
    first, second = [await world.client.post(path, headers=named) for _ in range(2)]
    assert first.status_code == second.status_code == 200, second.text
    assert ("idempotent-replayed" in first.headers, second.headers["idempotent-replayed"]) == (False, "true")
    assert first.json()["data"] == second.json()["data"] != of_tenant.json()["data"]
    other = await world.client.post(f"/v1/tasks/{world.b.done}/rerun", headers=named)
    assert (other.status_code, other.json()["error"]) == (
        409,
        "this Idempotency-Key was used for another request",
    )
    child = first.json()["data"]["task_id"]
    assert (await data(world, "GET", f"/v1/tasks/{child}"))["idempotency_key"] is None
    seen = await world.as_admin("GET", f"/v1/tasks/{child}")
    assert seen.json()["data"]["idempotency_key"] == "order-1"


async def test_the_key_of_an_admin_tells_the_admins_team_nothing(world: World) -> None:
    path = f"/v1/tasks/{world.b.done}/rerun"
    admin = await world.make_key("admin", team="team-a")
    named = {"authorization": f"Bearer {admin.text}", "idempotency-key": "order-1"}
    assert (await world.client.post(path, headers=named)).status_code == 200
    colleague = {**world.a.headers, "idempotency-key": "order-1"}
    assert (await world.client.post(path, headers=colleague)).status_code == 404
    own = await world.client.post(f"/v1/tasks/{world.a.done}/rerun", headers=colleague)
    assert own.status_code == 200, "nobody of the team used this key"
    again = await world.client.post(path, headers=named)
    assert again.headers["idempotent-replayed"] == "true"
