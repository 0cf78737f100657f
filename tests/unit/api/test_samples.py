"""The routes that need no task: random samples, /format_input without a language model, the inventory."""

from typing import Any

import pytest

from app.domain.keys import make_key
from app.services import OfferedModel
from tests.unit.api.fakes import Client, Connect, FakeServices

KEYS = {
    *("caption", "lyrics", "bpm", "key_scale", "time_signature", "duration", "vocal_language"),
    *("keyscale", "timesignature", "language", "description", "instrumental", "think"),
}


@pytest.mark.parametrize(
    ("request_body", "think"),
    [
        ({}, False),
        ({"content": b""}, False),
        ({"content": b"", "headers": {"content-type": "application/json"}}, False),
        ({"json": {}}, False),
        ({"json": {"sample_type": None}}, False),
        ({"json": {"sample_type": "simple_mode"}}, False),
        ({"json": {"sample_type": "custom_mode"}}, True),
    ],
)
async def test_a_sample_has_every_key_and_equal_twins(
    client: Client, request_body: dict[str, Any], think: bool
) -> None:
    response = await client.post("/create_random_sample", **request_body)
    assert response.status_code == 200
    data = response.json()["data"]
    assert set(data) == KEYS
    assert data["think"] is think
    for name, twin in (("key_scale", "keyscale"), ("time_signature", "timesignature")):
        assert data[name] == data[twin]
    assert data["vocal_language"] == data["language"]


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"sample_type": []}'])
async def test_a_broken_sample_request_is_refused(client: Client, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    assert (await client.post("/create_random_sample", content=body, headers=headers)).status_code == 400


@pytest.mark.parametrize("path", ["/create_random_sample", "/format_input"])
async def test_both_need_a_key_that_may_write(connect: Connect, fakes: FakeServices, path: str) -> None:
    reader = make_key()
    fakes.add_key(reader, scopes=frozenset({"tasks:read"}))
    async with connect(bootstrap_key="boss") as client:
        assert (await client.post(path, json={})).status_code == 401
        assert (await client.post(path, json={"ai_token": "wrong"})).status_code == 401
        assert (await client.post(path, json={"ai_token": reader})).status_code == 403


async def test_a_random_sample_without_a_body_takes_the_key_from_the_header(connect: Connect) -> None:
    async with connect(bootstrap_key="boss") as client:
        response = await client.post("/create_random_sample", headers={"authorization": "Bearer boss"})
    assert response.status_code == 200


async def test_formatting_says_that_there_is_no_language_model(client: Client) -> None:
    response = await client.post("/format_input", json={"prompt": "pop", "param_obj": '{"bpm": 90}'})
    assert response.status_code == 503
    assert "no language model" in response.json()["error"]


async def test_formatting_judges_the_body_first(client: Client) -> None:
    response = await client.post("/format_input", json={"prompt": ["pop"]})
    assert (response.status_code, response.json()["error"]) == (400, "prompt must be a text")


async def test_the_inventory_names_models_of_both_kinds(client: Client, fakes: FakeServices) -> None:
    tasks = ("text2music", "cover", "repaint")
    fakes.models_offered = [
        OfferedModel(
            name="turbo", is_default=True, is_loaded=False, supported_task_types=tasks, category="turbo"
        )
    ]
    data = (await client.get("/v1/model_inventory")).json()["data"]
    assert [model["name"] for model in data.pop("models")] == ["turbo"]
    assert data == {
        "default_model": "turbo",
        "lm_models": [{"name": "acestep-5Hz-lm-0.6B", "is_default": True, "is_loaded": True}],
        "loaded_lm_model": "acestep-5Hz-lm-0.6B",
        "llm_initialized": True,
    }


async def test_the_inventory_needs_a_key(connect: Connect) -> None:
    async with connect(bootstrap_key="boss") as client:
        assert (await client.get("/v1/model_inventory")).status_code == 401
