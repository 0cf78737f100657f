"""Deliveries to receivers that fail, hang, redirect and answer late: none is lost, duplicates have one id."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.db.engine import Database
from app.db.tasks import Actor
from app.domain.endpoints import Delivery
from app.domain.task import Caller, TeamId, parse_id
from app.domain.webhook import EndpointChange
from tests.builders import WORKER, a_running_task, a_task, a_team
from tests.receiver import Receiver, a_receiver
from tests.webhooks import (
    an_endpoint,
    delivering,
    eventually,
    hurry,
    is_genuine,
    manager,
    succeed,
    tell_each_task,
    webhooks_of,
)

FINISHES = int(os.environ.get("WEBHOOK_FINISHES", "40"))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with a_receiver() as receiver:
        yield receiver


async def deliveries(db: Database, caller: Caller, endpoint_id: str) -> list[Delivery]:
    page = await webhooks_of(db).deliveries(caller, "me", parse_id(endpoint_id), cursor=None, limit=200)
    return page.items


async def test_an_event_arrives_signed_and_in_the_documented_form(
    db: Database, team: TeamId, receiver: Receiver
) -> None:
    endpoint = await an_endpoint(db, team, receiver.url())
    task = await a_running_task(db, team)
    await succeed(db, task)
    async with delivering(db):
        await eventually(lambda: receiver.heard)
    (heard,) = receiver.heard
    assert endpoint.secret is not None
    assert is_genuine(heard, endpoint.secret)
    assert not is_genuine(heard, "whs_other")
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["user-agent"] == "acestep-service/1.2.3"
    event = heard.event
    assert event["id"] == heard.headers["x-acestep-event-id"]
    assert set(event) == {"id", "type", "created_at", "team_id", "data"}
    assert event["type"] == "task.succeeded"
    data = event["data"]
    assert (data["task_id"], data["state"], data["status"]) == (str(task.id), "succeeded", 1)
    assert (data["error_code"], data["error"]) == (None, None)
    assert '"file":"/v1/audio?path=audio%2F' in data["result"]


async def test_the_webhook_of_a_single_task_is_signed_with_the_secret_of_the_team(
    db: Database, team: TeamId, receiver: Receiver, database_url: str
) -> None:
    first = await webhooks_of(db).rotate_team_secret(manager(team), "me", overlap=timedelta(hours=1))
    second = await webhooks_of(db).rotate_team_secret(manager(team), "me", overlap=timedelta(hours=1))
    task = await a_running_task(db, team)
    await tell_each_task(database_url, receiver.url())
    await succeed(db, task)
    async with delivering(db):
        await eventually(lambda: receiver.heard)
        third = await webhooks_of(db).rotate_team_secret(manager(team), "me", overlap=timedelta(0))
        task = await a_running_task(db, team)
        await tell_each_task(database_url, receiver.url())
        await succeed(db, task)
        await eventually(lambda: len(receiver.heard) == 2)
    during, after = receiver.heard
    assert is_genuine(during, first.secret), "the one before goes on during the overlap"
    assert is_genuine(during, second.secret)
    assert is_genuine(after, third.secret)
    assert not is_genuine(after, second.secret), "without an overlap it ends at once"


async def test_a_team_without_a_secret_gets_one_when_it_is_needed(
    db: Database, team: TeamId, receiver: Receiver, database_url: str
) -> None:
    task = await a_running_task(db, team)
    await tell_each_task(database_url, receiver.url())
    await succeed(db, task)
    async with delivering(db):
        await eventually(lambda: receiver.heard)
    assert receiver.heard[0].headers["x-acestep-signature"].count("v1=") == 1


async def test_a_start_is_told_as_it_was_though_the_task_has_ended_since(
    db: Database, team: TeamId, receiver: Receiver
) -> None:
    await an_endpoint(db, team, receiver.url(), events=["task.started"])
    await succeed(db, await a_running_task(db, team))
    async with delivering(db):
        await eventually(lambda: receiver.heard)
    (heard,) = receiver.heard
    assert heard.event["type"] == "task.started"
    assert (heard.event["data"]["state"], heard.event["data"]["status"]) == ("running", 0)
    assert '"stage":"loading"' in heard.event["data"]["result"]


@pytest.mark.parametrize(
    ("manner", "status", "error"),
    [
        ("500", 500, "status 500"),
        ("redirect", 302, "redirects are not followed"),
        ("hang", None, "no answer within 0.3 seconds"),
        ("drop", None, "the connection broke, or the answer is not HTTP"),
    ],
)
async def test_a_failed_try_is_recorded_and_made_again_later(
    db: Database, team: TeamId, receiver: Receiver, manner: str, status: int | None, error: str
) -> None:
    endpoint = await an_endpoint(db, team, receiver.url(f"/{manner}"))
    await succeed(db, await a_running_task(db, team))

    async def tried() -> bool:
        return bool((await deliveries(db, manager(team), endpoint.id))[0].attempts)

    async with delivering(db):
        await eventually(tried)
    (delivery,) = await deliveries(db, manager(team), endpoint.id)
    (attempt,) = delivery.attempts
    assert (delivery.state, delivery.tries, attempt.status, attempt.error) == ("pending", 1, status, error)
    assert attempt.answer == ("no" if manner == "500" else "")
    assert delivery.next_at is not None
    wait_s = (datetime.fromisoformat(delivery.next_at) - datetime.now(UTC)).total_seconds()
    assert 4 < wait_s <= 12


async def test_eight_failures_are_the_end_until_somebody_asks_again(
    db: Database, team: TeamId, receiver: Receiver, database_url: str
) -> None:
    endpoint = await an_endpoint(db, team, receiver.url("/503"))
    await succeed(db, await a_running_task(db, team))
    caller = manager(team)
    async with delivering(db):
        for tries in range(1, 9):
            await eventually(lambda tries=tries: len(receiver.heard) == tries)
            await eventually(lambda tries=tries: recorded(db, caller, endpoint.id, tries))
            await hurry(database_url)
        (dead,) = await deliveries(db, caller, endpoint.id)
        assert (dead.state, dead.tries, len(dead.attempts), dead.next_at) == ("dead", 8, 8, None)
        last = (await webhooks_of(db).endpoints(caller, "me")).items[0].last_delivery
        assert last is not None
        assert (last.state, last.status) == ("dead", 503)

        webhooks = webhooks_of(db)
        await webhooks.change(caller, "me", parse_id(endpoint.id), EndpointChange(url=receiver.url("/ok")))
        again = await webhooks.redeliver(caller, "me", parse_id(dead.id))
        assert (again.id, again.state, again.tries) == (dead.id, "pending", 0)
        await eventually(lambda: len(receiver.heard) == 9)
        await eventually(lambda: recorded(db, caller, endpoint.id, 9))
    (delivered,) = await deliveries(db, caller, endpoint.id)
    assert (delivered.state, delivered.url) == ("delivered", receiver.url("/ok"))
    assert {heard.event["id"] for heard in receiver.heard} == {dead.id}, "one event id in all tries"
    assert endpoint.secret is not None
    assert all(is_genuine(heard, endpoint.secret) for heard in receiver.heard)


async def recorded(db: Database, caller: Caller, endpoint_id: str, attempts: int) -> bool:
    return len((await deliveries(db, caller, endpoint_id))[0].attempts) == attempts


async def test_nothing_is_lost_over_restarts_and_duplicates_carry_the_same_id(
    db: Database, team: TeamId, receiver: Receiver, database_url: str
) -> None:
    """Finishes while deliverers die at any moment and one answer in four is a failure or never comes."""
    endpoint = await an_endpoint(db, team, receiver.url("/ok"))
    chance = random.Random(7)
    manners = ["ok", "ok", "ok", "500", "drop"]

    async def finish_all() -> None:
        for _ in range(FINISHES):
            await succeed(db, await a_running_task(db, team))

    async def be_moody() -> None:
        while True:
            await asyncio.sleep(0.02)
            mood = EndpointChange(url=receiver.url(f"/{chance.choice(manners)}"))
            await webhooks_of(db).change(manager(team), "me", parse_id(endpoint.id), mood)
            await hurry(database_url)

    finishing = asyncio.create_task(finish_all())
    moods = asyncio.create_task(be_moody())
    restarts = 0
    try:
        while not finishing.done() or not await nothing_waits(db):
            async with delivering(db, hold_s=0.2):
                await asyncio.sleep(chance.uniform(0.02, 0.3))
            restarts += 1
            assert restarts < 100 + FINISHES * 10
    finally:
        moods.cancel()
        await asyncio.gather(moods, return_exceptions=True)
    await finishing
    assert restarts > 1
    ids = {heard.event["id"]: heard.event["data"]["task_id"] for heard in receiver.heard}
    assert len(ids) == len(set(ids.values())) == FINISHES
    assert len(receiver.heard) > FINISHES


async def nothing_waits(db: Database) -> bool:
    async with db.autocommit() as work:
        return (await work.deliveries.waiting())[0] == 0


async def test_a_team_whose_receiver_hangs_does_not_delay_another(
    db: Database, team: TeamId, receiver: Receiver, database_url: str
) -> None:
    other = await a_team(database_url, "other")
    await an_endpoint(db, team, receiver.url("/hang"))
    await an_endpoint(db, other, receiver.url("/ok"))
    for _ in range(40):
        await succeed(db, await a_running_task(db, team))
    await succeed(db, await a_running_task(db, other))
    async with delivering(db, limit_s=30):
        await eventually(lambda: any(heard.target == "/ok" for heard in receiver.heard), limit_s=5)
    assert sum(heard.target == "/hang" for heard in receiver.heard) <= 16


async def test_many_teams_whose_receivers_hang_leave_a_sender_for_another(
    db: Database, team: TeamId, receiver: Receiver, database_url: str
) -> None:
    hanging = [await a_team(database_url, f"hanging {number}") for number in range(3)]
    for each in hanging:
        await an_endpoint(db, each, receiver.url("/hang"))
        for _ in range(4):
            await succeed(db, await a_running_task(db, each))
    await an_endpoint(db, team, receiver.url("/ok"))
    async with delivering(db, limit_s=120, most_at_once=6):
        await eventually(lambda: len(receiver.heard) == 5, limit_s=40)
        await succeed(db, await a_running_task(db, team))
        await eventually(lambda: receiver.heard[-1].target == "/ok", limit_s=40)
    assert len(receiver.heard) == 6, "three of one team, and one of each other"


async def test_only_what_was_asked_for_is_told(
    db: Database, team: TeamId, receiver: Receiver, database_url: str
) -> None:
    other = await a_team(database_url, "other")
    await an_endpoint(db, team, receiver.url("/final"))
    await an_endpoint(db, team, receiver.url("/failed"), events=["task.failed"])
    await an_endpoint(db, team, receiver.url("/off"), active=False)
    await an_endpoint(db, other, receiver.url("/other"))
    worker = Actor(kind="worker", id=str(WORKER))
    await succeed(db, await a_running_task(db, team))
    failing = await a_running_task(db, team)
    waiting = await a_task(db, team)
    async with db.autocommit() as work:
        options: Any = {"actor": worker, "code": "timeout", "message": "too slow", "trace": None}
        await work.tasks.fail_or_retry(failing.id, 1, max_failures=2, gpu_seconds=1.0, **options)
        await work.tasks.cancel_queued(team, failing.id, actor=Actor(kind="client"))
        await work.tasks.cancel_queued(team, waiting, actor=Actor(kind="client"))
    broken = await a_running_task(db, team)
    async with db.autocommit() as work:
        await work.tasks.fail_or_retry(broken.id, 1, max_failures=1, gpu_seconds=1.0, **options)
    async with delivering(db):
        await eventually(lambda: len(receiver.heard) == 5)
        await asyncio.sleep(0.1)
    told = sorted((heard.target, heard.event["type"]) for heard in receiver.heard)
    assert told == [
        ("/failed", "task.failed"),
        ("/final", "task.cancelled"),
        ("/final", "task.cancelled"),
        ("/final", "task.failed"),
        ("/final", "task.succeeded"),
    ]
    failed = next(heard.event["data"] for heard in receiver.heard if heard.target == "/failed")
    assert (failed["state"], failed["status"]) == ("failed", 2)
    assert (failed["error_code"], failed["error"]) == ("timeout", "too slow")
