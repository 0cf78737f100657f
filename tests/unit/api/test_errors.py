import logging
import time

import pytest
from httpx import Response

from app.domain.errors import DatabaseUnavailableError, QueueFullError, StorageUnavailableError
from app.domain.keys import make_key
from tests.unit.api.fakes import Client, Connect, FakeServices

ERROR_KEYS = ["data", "code", "error", "detail", "timestamp", "extra"]


def assert_error_body(response: Response, status: int, text: str | None = None) -> None:
    body = response.json()
    assert response.status_code == status
    assert list(body) == ERROR_KEYS
    assert (body["data"], body["code"], body["extra"]) == (None, status, None)
    assert isinstance(body["error"], str)
    assert body["error"] == body["detail"] != ""
    assert abs(body["timestamp"] - time.time() * 1000) < 10_000
    assert response.headers["content-type"] == "application/json"
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["x-request-id"]
    if text is not None:
        assert body["error"] == text


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_success_has_exactly_five_keys(client: Client, prefix: str) -> None:
    response = await client.get(f"{prefix}/health")
    body = response.json()
    assert list(body) == ["data", "code", "error", "timestamp", "extra"]
    assert (response.status_code, body["code"], body["error"], body["extra"]) == (200, 200, None, None)
    assert isinstance(body["timestamp"], int)


@pytest.mark.parametrize("path", ["/nope", "/api/nope", "/api", "/v1/lora/list", "/redoc"])
@pytest.mark.parametrize("verb", ["GET", "POST", "DELETE"])
async def test_an_unknown_route_is_404(client: Client, verb: str, path: str) -> None:
    assert_error_body(await client.request(verb, path), 404, "unknown route")


@pytest.mark.parametrize(
    ("verb", "path"),
    [("GET", "/release_task"), ("PUT", "/api/query_result"), ("POST", "/v1/audio"), ("DELETE", "/health")],
)
async def test_a_wrong_verb_is_405(client: Client, verb: str, path: str) -> None:
    response = await client.request(verb, path)
    assert_error_body(response, 405, "method not allowed")
    assert "OPTIONS" in response.headers["allow"]


@pytest.mark.parametrize("path", ["/release_task", "/query_result"])
@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'"text"', b"5", b"null", b"", b'{"a":NaN}', b"[" * 100_000]
)
async def test_a_malformed_body_is_400(client: Client, path: str, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    assert_error_body(await client.post(path, content=content, headers=headers), 400)


async def test_a_wrong_choice_is_400_with_its_text(client: Client) -> None:
    response = await client.post("/release_task", json={"audio_format": "exe"})
    assert_error_body(response, 400, "audio_format must be one of: mp3, wav, flac, opus")


async def test_a_large_body_is_413(connect: Connect) -> None:
    async with connect(max_body_bytes=100) as client:
        response = await client.post("/release_task", json={"prompt": "x" * 100})
    assert_error_body(response, 413, "body is larger than 100 bytes")


async def test_an_unknown_content_type_is_415(client: Client) -> None:
    response = await client.post("/release_task", content=b"x", headers={"content-type": "text/plain"})
    assert_error_body(response, 415)


async def test_a_range_behind_the_end_is_416(client: Client) -> None:
    url = f"/v1/audio?path=audio/{'0c5e' * 8}.mp3"
    response = await client.get(url, headers={"range": "bytes=999-"})
    assert_error_body(response, 416, "range not satisfiable: the file has 200 bytes")


async def test_a_missing_key_is_401_and_a_missing_right_403(connect: Connect, fakes: FakeServices) -> None:
    reader = make_key()
    fakes.add_key(reader, scopes=frozenset({"tasks:read"}))
    async with connect() as client:
        nobody = await client.get("/v1/stats")
        lesser = await client.get("/v1/stats", headers={"authorization": reader})
    assert_error_body(nobody, 401, "missing Authorization header")
    assert_error_body(lesser, 403)


async def test_a_full_queue_is_429_with_whole_seconds(client: Client, fakes: FakeServices) -> None:
    fakes.failures = [QueueFullError("queue is full: 200 of 200 tasks waiting", retry_after_s=5)]
    response = await client.post("/release_task", json={})
    assert_error_body(response, 429, "queue is full: 200 of 200 tasks waiting")
    assert response.headers["retry-after"] == "5"


@pytest.mark.parametrize("error", [DatabaseUnavailableError(), StorageUnavailableError()])
async def test_a_missing_server_is_503_with_retry_after(
    client: Client, fakes: FakeServices, error: Exception
) -> None:
    fakes.failures = [error]
    response = await client.post("/release_task", json={})
    assert_error_body(response, 503)
    assert int(response.headers["retry-after"]) > 0


async def test_a_lost_database_makes_health_503(client: Client, fakes: FakeServices) -> None:
    fakes.failures = [DatabaseUnavailableError()]
    assert_error_body(await client.get("/health"), 503)


async def test_an_unexpected_error_is_500_and_only_the_log_knows_why(
    client: Client, fakes: FakeServices, caplog: pytest.LogCaptureFixture
) -> None:
    fakes.failures = [RuntimeError("/secret/path exploded")]
    with caplog.at_level(logging.ERROR):
        response = await client.post("/release_task", json={}, headers={"x-request-id": "abc"})
    assert_error_body(response, 500, "internal error")
    assert "secret" not in response.text
    record = next(record for record in caplog.records if record.message == "request failed")
    assert record.__dict__["request_id"] == "abc"
    assert "/secret/path exploded" in str(record.exc_info)


async def test_text_is_not_escaped_to_ascii(client: Client) -> None:
    response = await client.post("/release_task", json={"model": "où"})
    assert "où" in response.text
