import json
import time
from typing import Any
from uuid import uuid4

import pytest

from app.domain.errors import DatabaseUnavailableError
from app.domain.task import TaskStatus, TeamId
from tests.unit.api.fakes import Client, Connect, FakeServices


async def ask(client: Client, ids: Any) -> list[dict[str, Any]]:
    response = await client.post("/query_result", json={"task_id_list": ids})
    assert response.status_code == 200
    data: list[dict[str, Any]] = response.json()["data"]
    return data


async def test_one_entry_per_id_in_order_duplicates_included(client: Client, fakes: FakeServices) -> None:
    first, second = str(fakes.add_task()), str(fakes.add_task(status=TaskStatus.FAILED))
    data = await ask(client, [second, first, second, first.upper()])
    assert [entry["task_id"] for entry in data] == [second, first, second, first.upper()]
    assert [entry["state"] for entry in data] == ["failed", "queued", "failed", "queued"]


async def test_result_is_a_list_as_text(client: Client, fakes: FakeServices) -> None:
    entry = (await ask(client, [str(fakes.add_task())]))[0]
    items = json.loads(entry["result"])
    assert (len(items), items[0]["stage"]) == (1, "queued")
    assert isinstance(entry["status"], int)


async def test_unknown_foreign_and_impossible_ids_look_alike(client: Client, fakes: FakeServices) -> None:
    foreign = str(fakes.add_task(team=TeamId(8)))
    asked = [foreign, str(uuid4()), "no uuid", "", "x" * 36, "{" + "a" * 34 + "}", "\ufffd"]
    data = await ask(client, asked)
    assert [entry.pop("task_id") for entry in data] == asked
    assert all(entry == data[0] for entry in data)
    assert (data[0]["status"], data[0]["state"]) == (2, "not_found")


async def test_items_that_are_no_text_are_echoed_as_text(client: Client) -> None:
    data = await ask(client, [5, None, True, ["a"], {"b": 1.5}])
    assert [entry["task_id"] for entry in data] == ["5", "null", "true", '["a"]', '{"b":1.5}']
    assert {entry["state"] for entry in data} == {"not_found"}


async def test_the_list_may_be_text(client: Client, fakes: FakeServices) -> None:
    task_id = str(fakes.add_task())
    assert (await ask(client, json.dumps([task_id])))[0]["state"] == "queued"


@pytest.mark.parametrize("ids", [None, [], "", "[", "5", "{}", 5, {"a": 1}, True])
async def test_no_list_gives_no_entries(client: Client, ids: Any) -> None:
    assert await ask(client, ids) == []
    assert (await client.post("/query_result", json={})).json()["data"] == []


async def test_too_many_ids_are_400(connect: Connect) -> None:
    async with connect(max_query_ids=3) as client:
        assert len(await ask(client, ["a"] * 3)) == 3
        for ids in (["a"] * 4, json.dumps(["a"] * 4)):
            response = await client.post("/query_result", json={"task_id_list": ids})
            assert (response.status_code, response.json()["error"]) == (
                400,
                "task_id_list has 4 ids; at most 3 are allowed",
            )


async def test_a_short_loss_of_the_database_is_waited_out(client: Client, fakes: FakeServices) -> None:
    task_id = str(fakes.add_task())
    fakes.failures = [DatabaseUnavailableError(), DatabaseUnavailableError()]
    assert (await ask(client, [task_id]))[0]["state"] == "queued"


async def test_a_longer_loss_of_the_database_is_503(connect: Connect, fakes: FakeServices) -> None:
    fakes.failures = [DatabaseUnavailableError() for _ in range(50)]
    begin = time.monotonic()
    async with connect(query_patience_s=0.3) as client:
        response = await client.post("/query_result", json={"task_id_list": [str(uuid4())]})
    assert response.status_code == 503
    assert 0.3 <= time.monotonic() - begin < 3
    assert len(fakes.failures) > 40
