"""What is offered and loaded, as live workers report it."""

from uuid import uuid4

import pytest

from app.db.engine import Database
from app.db.workers import WorkerReport
from app.domain.offers import Limits
from app.services.models import Models

TURBO, BASE, LM = "acestep-v15-turbo", "acestep-v15-base", "acestep-5Hz-lm-0.6B"


@pytest.fixture
def models(db: Database) -> Models:
    return Models(
        db,
        configured=(TURBO, BASE),
        aliases={},
        default_lm=LM,
        lm_backend="pt",
        limits=Limits(),
        lease_s=30,
    )


async def report(db: Database, *loaded: str, state: str = "ready") -> None:
    categories = {TURBO: "turbo", BASE: "base", LM: "lm"}
    offered = [{"name": name, "category": category, "tasks": []} for name, category in categories.items()]
    async with db.autocommit() as work:
        await work.workers.report(
            WorkerReport(
                id=uuid4(),
                host="here",
                pid=1,
                version="0",
                state=state,
                slots=1,
                models=offered,
                loaded=loaded,
                device="cpu",
            )
        )


async def test_a_model_is_loaded_where_a_live_worker_holds_it(db: Database, models: Models) -> None:
    await report(db, BASE)
    await report(db, TURBO, state="gone")
    assert {model.name: model.is_loaded for model in await models.models()} == {TURBO: False, BASE: True}


async def test_health_tells_music_and_language_models_apart(db: Database, models: Models) -> None:
    await report(db, LM)
    health = await models.health()
    assert (health.models_initialized, health.loaded_model) == (False, None)
    assert (health.llm_initialized, health.loaded_lm_model) == (True, LM)
    await report(db, TURBO, BASE, LM)
    health = await models.health()
    assert (health.models_initialized, health.loaded_model) == (True, TURBO)
