import pytest

from app.domain.keys import make_key
from app.services import OfferedModel
from tests.unit.api.fakes import Client, Connect, FakeServices

KEY = make_key()

TURBO = OfferedModel(
    name="acestep-v15-turbo",
    is_default=True,
    is_loaded=True,
    supported_task_types=("text2music", "cover", "repaint"),
    category="turbo",
)


async def test_models(client: Client, fakes: FakeServices) -> None:
    fakes.models_offered = [TURBO]
    assert (await client.get("/v1/models")).json()["data"] == {
        "models": [
            {
                "name": "acestep-v15-turbo",
                "is_default": True,
                "is_loaded": True,
                "supported_task_types": ["text2music", "cover", "repaint"],
                "category": "turbo",
            }
        ],
        "default_model": "acestep-v15-turbo",
    }


async def test_no_models_have_no_default(client: Client) -> None:
    assert (await client.get("/v1/models")).json()["data"] == {"models": [], "default_model": None}


async def test_stats_count_cancelled_tasks_as_failed_too(client: Client) -> None:
    assert (await client.get("/v1/stats")).json()["data"] == {
        "jobs": {"total": 100, "queued": 5, "running": 1, "succeeded": 90, "failed": 4, "cancelled": 1},
        "queue_size": 9,
        "queue_maxsize": 200,
        "avg_job_seconds": 8.5,
        "workers": {"online": 2, "busy": 1},
    }


async def test_an_unlimited_queue_is_a_number_to_divide_by(client: Client, fakes: FakeServices) -> None:
    fakes.queue_maxsize = None
    assert (await client.get("/v1/stats")).json()["data"]["queue_maxsize"] == 2_147_483_647


@pytest.mark.parametrize(
    ("scopes", "query", "team"),
    [
        ({"stats:read"}, "", 7),
        ({"admin"}, "", None),
        ({"admin"}, "?scope=team", 7),
        (None, "", None),
        (None, "?scope=team", 7),
    ],
)
async def test_stats_are_of_the_own_team_unless_admin_or_open(
    connect: Connect, fakes: FakeServices, scopes: set[str] | None, query: str, team: int | None
) -> None:
    if scopes is not None:
        fakes.add_key(KEY, scopes=frozenset(scopes))
    async with connect() as client:
        await client.get(f"/v1/stats{query}", headers={"authorization": KEY})
    assert fakes.stats_of == [team]


async def test_health(client: Client) -> None:
    assert (await client.get("/health")).json()["data"] == {
        "status": "ok",
        "service": "ACE-Step API",
        "version": "1.0",
        "release": "1.2.3",
        "models_initialized": True,
        "llm_initialized": False,
        "loaded_model": "acestep-v15-turbo",
        "loaded_lm_model": None,
    }
