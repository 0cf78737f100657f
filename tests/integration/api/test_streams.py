"""Streams over HTTP: the documented form, going on after a break, limits, and nothing of other teams."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.db.engine import Database
from tests.builders import claim
from tests.integration.api.conftest import World
from tests.streaming import Event, following, served
from tests.webhooks import eventually, succeed

KEYS = {
    *("task_id", "state", "status", "progress", "stage", "step", "steps"),
    *("progress_text", "error_code", "error"),
}


@pytest.fixture
async def address(world: World) -> AsyncIterator[str]:
    async with served(world.app) as url:
        yield url


async def test_a_task_is_followed_to_its_end_and_from_the_last_event(
    world: World, address: str, db: Database
) -> None:
    url = f"{address}/v1/tasks/{world.a.waiting}/stream"
    async with following(url, world.a.headers) as (response, events):
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-cache"
        assert response.headers["access-control-allow-origin"] == "*"
        first = await anext(events)
        assert (first.kind, first.state) == ("state", "queued")
        assert first.data is not None
        assert set(first.data) == KEYS
        (task,) = await claim(db)
        await succeed(db, task)
        rest = [event async for event in events if event.kind == "state"]
    assert [event.state for event in rest] == ["running", "succeeded"]
    assert b"secret words" not in str(rest).encode()
    for place, states in ((first.id, ["running", "succeeded"]), (rest[-1].id, ["succeeded"])):
        headers = {**world.a.headers, "last-event-id": str(place)}
        async with following(url, headers) as (_, events):
            assert [event.state async for event in events] == states


async def test_an_ended_task_is_one_event(world: World, address: str) -> None:
    async with following(f"{address}/api/v1/tasks/{world.a.done}/stream", world.a.headers) as (_, events):
        (only,) = [event async for event in events]
    assert (only.kind, only.state) == ("state", "succeeded")
    assert only.data is not None
    assert (only.data["status"], only.data["progress"], only.data["progress_text"]) == (1, 1.0, "done")


async def test_a_team_sees_its_own_tasks_only_and_an_admin_all(
    world: World, address: str, db: Database
) -> None:
    admin = await world.make_key("admin", team="team-b")
    url = f"{address}/v1/tasks/stream"
    headers = {**world.a.headers, "last-event-id": "0"}  # everything there ever was
    async with (
        following(url, headers) as (_, mine),
        following(url, {"authorization": admin.text}) as (_, everything),
    ):
        for task in (await claim(db))[:1] + (await claim(db))[:1]:
            await succeed(db, task)
        seen = await until_succeeded(mine, str(world.a.waiting))
        all_of_it = await until_succeeded(everything, str(world.b.waiting))
    assert {event.data["task_id"] for event in seen if event.data} == {
        str(world.a.done),
        str(world.a.waiting),
    }
    assert {event.data["team_id"] for event in seen if event.data} == {world.a.team_id}
    assert world.b.team_id in {event.data["team_id"] for event in all_of_it if event.data}
    assert all(set(event.data) == KEYS | {"team_id"} for event in seen if event.data)
    assert "secret words" not in str(seen)
    places = [int(event.id) for event in seen if event.id]
    assert places == sorted(places)


async def test_an_event_of_another_team_is_a_place_like_an_own_one(world: World, address: str) -> None:
    """Ids of events are places in one order, and who names a foreign one learns nothing about it."""
    own = await first_of(f"{address}/v1/tasks/{world.a.waiting}/stream", world.a.headers)
    await world.client.post(f"/v1/tasks/{world.b.waiting}/cancel", headers=world.b.headers)
    foreign = await first_of(f"{address}/v1/tasks/{world.b.waiting}/stream", world.b.headers)
    await world.client.post(f"/v1/tasks/{world.a.waiting}/cancel", headers=world.a.headers)
    for path in (f"/v1/tasks/{world.a.waiting}/stream", "/v1/tasks/stream"):
        seen = [
            await first_of(f"{address}{path}", {**world.a.headers, "last-event-id": str(place.id)})
            for place in (own, foreign)
        ]
        assert seen[0] == seen[1]
        assert (seen[0].state, seen[0].data and seen[0].data["task_id"]) == (
            "cancelled",
            str(world.a.waiting),
        )


async def first_of(url: str, headers: dict[str, str]) -> Event:
    async with following(url, headers) as (_, events):
        return await anext(events)


async def until_succeeded(events: AsyncIterator[Event], task_id: str) -> list[Event]:
    seen: list[Event] = []
    async for event in events:
        seen.append(event)
        if event.state == "succeeded" and event.data and event.data["task_id"] == task_id:
            break
    return seen


async def test_a_key_has_so_many_streams_and_gets_them_back(world: World, address: str) -> None:
    streams = world.app.state["context"].services.streams
    streams._most_per_key = 1
    url = f"{address}/v1/tasks/stream"
    async with following(url, world.a.headers) as (_, events), httpx.AsyncClient(trust_env=False) as client:
        await anext(events)
        refused = await client.get(url, headers=world.a.headers)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        async with following(url, world.b.headers) as (response, _):
            assert response.status_code == 200
    await released(streams)
    async with following(url, world.a.headers) as (response, _):
        assert response.status_code == 200


async def released(streams: object) -> None:
    """A closed connection is noticed by the server, a moment later."""
    await eventually(lambda: streams.count == 0)  # type: ignore[attr-defined]


async def test_what_cannot_be_followed(world: World) -> None:
    for path, status in (
        ("/v1/tasks/stream?x=1", 400),
        (f"/v1/tasks/{world.a.done}/stream?x=1", 400),
        ("/v1/tasks/nothing/stream", 404),
        (f"/v1/tasks/{world.b.done}/stream", 404),
    ):
        assert (await world.client.get(path, headers=world.a.headers)).status_code == status, path
