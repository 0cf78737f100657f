from uuid import UUID

from tests.unit.api.fakes import Client, Connect, FakeServices


async def test_the_answer_names_task_and_place(client: Client) -> None:
    response = await client.post("/release_task", json={"prompt": "upbeat pop song", "inference_steps": 8})
    data = response.json()["data"]
    assert response.status_code == 200
    assert set(data) == {"task_id", "status", "queue_position"}
    assert str(UUID(data["task_id"])) == data["task_id"]
    assert (data["status"], data["queue_position"]) == ("queued", 1)


async def test_an_empty_object_is_a_task_with_all_defaults(client: Client, fakes: FakeServices) -> None:
    assert (await client.post("/api/release_task", json={})).status_code == 200
    assert fakes.submitted[0][1].params["model"] == "acestep-v15-turbo"


async def test_request_id_and_client_are_stored_with_the_task(client: Client, fakes: FakeServices) -> None:
    headers = {"x-request-id": "trace-1", "user-agent": "u" * 1000}
    await client.post("/release_task", json={}, headers=headers)
    _, _, request_id, told = fakes.submitted[0]
    assert told is not None
    assert request_id == "trace-1"
    assert set(told) == {"ip", "user_agent"}
    assert len(told["user_agent"]) == 256


async def test_the_client_is_not_recorded_if_the_operator_says_so(
    connect: Connect, fakes: FakeServices
) -> None:
    async with connect(record_client=False) as client:
        await client.post("/release_task", json={})
    assert fakes.submitted[0][3] is None


async def test_a_refused_request_is_not_submitted(client: Client, fakes: FakeServices) -> None:
    response = await client.post("/release_task", json={"src_audio_path": "file:///etc/passwd"})
    assert (response.status_code, response.json()["error"]) == (400, "audio path not available")
    assert fakes.submitted == []
