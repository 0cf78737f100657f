import pytest

from tests.unit.api.fakes import Client, Connect

EXPOSED = {
    "Content-Length",
    "Content-Range",
    "Accept-Ranges",
    "ETag",
    "Retry-After",
    "Idempotent-Replayed",
    "X-Request-Id",
}


@pytest.mark.parametrize("path", ["/release_task", "/api/v1/audio", "/unknown"])
@pytest.mark.parametrize("origin", ["null", "https://example.org"])
async def test_preflight_needs_no_key_and_no_route(connect: Connect, path: str, origin: str) -> None:
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,range",
    }
    async with connect(bootstrap_key="k") as client:
        response = await client.options(path, headers=headers)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers
    assert response.headers["access-control-max-age"] == "600"
    methods = set(response.headers["access-control-allow-methods"].split(", "))
    assert methods == {"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"}
    allowed = {name.lower() for name in response.headers["access-control-allow-headers"].split(", ")}
    assert {"authorization", "range", "content-type", "if-range", "if-none-match"} <= allowed


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/v1/models", 401),
        ("GET", "/v1/audio?path=x", 401),
        ("POST", "/release_task", 415),
        ("GET", "/nothing", 404),
        ("PUT", "/health", 405),
    ],
)
async def test_every_answer_has_cors_headers(connect: Connect, verb: str, path: str, status: int) -> None:
    async with connect(bootstrap_key="k") as client:
        response = await client.request(verb, path, headers={"origin": "null"})
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == "*"
    assert set(response.headers["access-control-expose-headers"].split(", ")) == EXPOSED


async def test_origins_can_be_narrowed(connect: Connect) -> None:
    async with connect(cors_origins=("https://studio.example/",)) as client:
        good = await client.get("/health", headers={"origin": "https://studio.example"})
        bad = await client.get("/health", headers={"origin": "https://evil.example"})
        none = await client.get("/health")
    assert good.headers["access-control-allow-origin"] == "https://studio.example"
    for refused in (bad, none):
        assert "access-control-allow-origin" not in refused.headers
    assert {r.headers["vary"] for r in (good, bad, none)} == {"Origin"}


@pytest.mark.parametrize("given", ["a", "A-b_c.9", "x" * 64])
async def test_a_request_id_is_taken_over(client: Client, given: str) -> None:
    response = await client.get("/nothing", headers={"x-request-id": given})
    assert response.headers["x-request-id"] == given


@pytest.mark.parametrize("given", [None, "", "x" * 65, "a b", "a\nb", "é"])
async def test_another_request_id_is_replaced(client: Client, given: str | None) -> None:
    headers = {} if given is None else {b"x-request-id": given.encode()}
    made = [(await client.get("/health", headers=headers)).headers["x-request-id"] for _ in range(2)]
    assert made[0] != made[1]
    assert all(len(one) == 32 and one.isalnum() for one in made)
