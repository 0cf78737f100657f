"""What is offered and loaded, as live workers report it."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import uuid4

import pytest

from app.db.engine import Database
from app.db.workers import WorkerReport
from app.domain.offers import Limits
from app.services.models import Models

TURBO = {"name": "acestep-v15-turbo", "category": "turbo", "tasks": ["text2music"]}
BASE = {"name": "acestep-v15-base", "category": "base", "tasks": ["text2music"]}
SMALL = {"name": "acestep-5Hz-lm-0.6B", "category": "lm", "tasks": [], "backend": "pt"}
LARGE = {"name": "acestep-5Hz-lm-4B", "category": "lm", "tasks": [], "backend": "pt"}


def models(db: Database, init_llm: bool | Literal["auto"] = "auto") -> Models:
    return Models(
        db,
        configured=[TURBO["name"]],
        aliases={},
        init_llm=init_llm,
        default_lm=SMALL["name"],
        lm_backend="vllm",
        limits=Limits(),
        lease_s=30,
    )


async def report(
    db: Database, *offered: dict[str, Any], loaded: Sequence[str] = (), state: str = "ready"
) -> None:
    async with db.autocommit() as work:
        await work.workers.report(
            WorkerReport(
                id=uuid4(),
                host="h",
                pid=1,
                version="1",
                state=state,
                slots=1,
                models=offered,
                loaded=loaded,
                device="cpu",
            )
        )


@pytest.mark.parametrize(("init_llm", "offered"), [("auto", True), (True, True), (False, False)])
async def test_before_any_worker_the_setting_counts(
    db: Database, init_llm: bool | Literal["auto"], offered: bool
) -> None:
    offers = await models(db, init_llm).offers()
    assert offers.lm_offered is offered
    assert offers.default_lm == (SMALL["name"] if offered else None)


@pytest.mark.parametrize(("init_llm", "offered"), [("auto", False), (True, True), (False, False)])
async def test_a_worker_without_one_ends_the_benefit_of_the_doubt(
    db: Database, init_llm: bool | Literal["auto"], offered: bool
) -> None:
    await report(db, TURBO)
    assert (await models(db, init_llm).offers()).lm_offered is offered


async def test_one_that_still_starts_has_not_told_anything_yet(db: Database) -> None:
    await report(db, state="starting")
    assert (await models(db).offers()).lm_offered


async def test_what_workers_announce_can_be_asked_for(db: Database) -> None:
    await report(db, TURBO, LARGE)
    await report(db, TURBO, SMALL, loaded=[TURBO["name"], SMALL["name"]])
    for init_llm in ("auto", False):
        offers = await models(db, init_llm).offers()  # type: ignore[arg-type]
        assert (offers.lm_names, offers.default_lm) == ([SMALL["name"], LARGE["name"]], SMALL["name"])
        assert [model.name for model in offers.models] == [TURBO["name"]]


async def test_a_model_is_loaded_where_a_live_worker_holds_it(db: Database) -> None:
    await report(db, TURBO, BASE, loaded=[BASE["name"]])
    await report(db, TURBO, BASE, loaded=[TURBO["name"]], state="gone")
    told = {model.name: model.is_loaded for model in await models(db).models()}
    assert told == {TURBO["name"]: False, BASE["name"]: True}


async def test_inventory_and_health_tell_the_kinds_apart(db: Database) -> None:
    await report(db, TURBO, SMALL, LARGE, loaded=[SMALL["name"]])
    view = models(db)
    told = [(model.name, model.is_default, model.is_loaded) for model in await view.language_models()]
    assert told == [(SMALL["name"], True, True), (LARGE["name"], False, False)]
    health = await view.health()
    assert (health.models_initialized, health.loaded_model) == (False, None)
    assert (health.llm_initialized, health.loaded_lm_model) == (True, SMALL["name"])
    await report(db, TURBO, SMALL, loaded=[TURBO["name"], SMALL["name"]])
    health = await view.health()
    assert (health.models_initialized, health.loaded_model) == (True, TURBO["name"])
