"""What is offered: the configured models, and those that live workers announce and hold."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from app.db.engine import Database
from app.db.workers import LiveWorker
from app.domain.errors import DatabaseUnavailableError
from app.domain.offers import Limits, ModelOffer, Offers
from app.domain.params import BASE_ONLY_TASKS, TASK_TYPES
from app.domain.probe import MIME_TYPES, PLAIN_KINDS
from app.services import HealthView, OfferedLanguageModel, OfferedModel

CACHE_S = 0.5
LANGUAGE_MODEL = "lm"
"""Category of language models in the reports of workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fleet:
    read_at: float
    workers: Sequence[LiveWorker]


class Models:
    """Answers what can be asked for and what is loaded, from one read of the worker reports."""

    def __init__(
        self,
        database: Database,
        *,
        configured: Sequence[str],
        aliases: Mapping[str, str],
        init_llm: bool | Literal["auto"],
        default_lm: str,
        lm_backend: str,
        limits: Limits,
        lease_s: float,
    ) -> None:
        self._database = database
        self._configured = configured
        self._aliases = aliases
        self._init_llm = init_llm
        self._default_lm = default_lm
        self._lm_backend = lm_backend
        self._limits = limits
        self._lease_s = lease_s
        self._fleet: _Fleet | None = None

    async def offers(self) -> Offers:
        """What a submission may name now."""
        models = await self.models()
        language_models = await self._offered_language_models()
        return Offers(
            models=[
                ModelOffer(name=model.name, category=model.category, tasks=model.supported_task_types)
                for model in models
            ],
            default_model=next((model.name for model in models if model.is_default), None),
            model_aliases=self._aliases,
            lm_offered=bool(language_models),
            lm_names=language_models,
            default_lm=next(iter(language_models), None),
            default_lm_backend=self._lm_backend,
            limits=self._limits,
        )

    async def models(self) -> Sequence[OfferedModel]:
        """Configured models in their order, then others that live workers announce."""
        workers = (await self._read()).workers
        announced = {
            model["name"]: model for worker in workers for model in worker.models if not is_language(model)
        }
        loaded = {name for worker in workers for name in worker.loaded}
        names = list(dict.fromkeys([*self._configured, *announced]))
        return [
            _offered(name, announced.get(name), is_default=place == 0, is_loaded=name in loaded)
            for place, name in enumerate(names)
        ]

    async def announced_language_models(self) -> Sequence[str]:
        """Language models that live workers offer now, the configured one first."""
        announced = dict.fromkeys(
            model["name"]
            for worker in (await self._read()).workers
            for model in worker.models
            if is_language(model)
        )
        return sorted(announced, key=lambda name: name != self._default_lm)

    async def language_models(self) -> Sequence[OfferedLanguageModel]:
        """Language models that can be asked for, the default one first."""
        loaded = {name for worker in (await self._read()).workers for name in worker.loaded}
        return [
            OfferedLanguageModel(name=name, is_default=place == 0, is_loaded=name in loaded)
            for place, name in enumerate(await self._offered_language_models())
        ]

    async def _offered_language_models(self) -> Sequence[str]:
        """As announced; before any worker has, the configured one, unless there shall be none."""
        announced = await self.announced_language_models()
        is_expected = not (await self._read()).workers and self._init_llm == "auto"
        if not announced and (is_expected or self._init_llm is True):
            return [self._default_lm]
        return announced

    async def input_kinds(self) -> Sequence[str]:
        """Kinds of audio files that can be sent: those of every worker, and what a live one can besides."""
        announced = (
            kind
            for worker in (await self._read()).workers
            for model in worker.models
            for kind in model.get("inputs", ())
            if kind in MIME_TYPES
        )
        return list(dict.fromkeys([*PLAIN_KINDS, *announced]))

    async def health(self) -> HealthView:
        """What is loaded somewhere, read anew.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        workers = (await self._read_anew()).workers
        language = {model["name"] for worker in workers for model in worker.models if is_language(model)}
        loaded = [name for worker in workers for name in worker.loaded]
        music = next((name for name in loaded if name not in language), None)
        lm = next((name for name in loaded if name in language), None)
        return HealthView(
            models_initialized=music is not None,
            llm_initialized=lm is not None,
            loaded_model=music,
            loaded_lm_model=lm,
        )

    async def _read(self) -> _Fleet:
        """The reports, at most CACHE_S old; older ones serve while the database is away."""
        if self._fleet and asyncio.get_running_loop().time() - self._fleet.read_at < CACHE_S:
            return self._fleet
        try:
            return await self._read_anew()
        except DatabaseUnavailableError:
            if self._fleet is None:
                raise
            return self._fleet

    async def _read_anew(self) -> _Fleet:
        async with self._database.autocommit() as work:
            workers = await work.workers.alive(lease_s=self._lease_s)
        self._fleet = _Fleet(read_at=asyncio.get_running_loop().time(), workers=workers)
        return self._fleet


def is_language(model: Mapping[str, Any]) -> bool:
    """Tell a language model among the models that a worker reports."""
    return bool(model["category"] == LANGUAGE_MODEL)


def _offered(
    name: str, announced: Mapping[str, object] | None, *, is_default: bool, is_loaded: bool
) -> OfferedModel:
    category = str(announced["category"]) if announced else category_by_name(name)
    tasks = announced.get("tasks") if announced else None
    if not isinstance(tasks, list):
        tasks = [task for task in TASK_TYPES if category == "base" or task not in BASE_ONLY_TASKS]
    return OfferedModel(
        name=name, is_default=is_default, is_loaded=is_loaded, supported_task_types=tasks, category=category
    )


def category_by_name(name: str) -> str:
    """Category of a model that no worker has reported yet: a part `base` or `sft`, else `turbo`."""
    parts = name.split("-")
    return next((word for word in ("base", "sft") if word in parts), "turbo")
