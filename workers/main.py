"""The supervising process beside a GPU: composition root, start, graceful stop. It never loads a model."""

import asyncio
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from typing import Any
from uuid import UUID, uuid4

from app.db.engine import Database
from app.db.migrate import require_schema
from app.domain.addresses import parse_networks
from app.domain.log_fields import log_fields
from app.queue.doorbell import ArqDoorbell
from app.services.deliver import Deliver
from app.services.fleet import Fleet
from app.services.lifecycle import Lifecycle
from app.services.neighbours import Neighbours
from app.services.recovery import Recovery
from app.services.retention import Retention
from app.services.sealing import Sealing
from app.settings import Settings
from app.storage.choose import choose_store
from app.storage.scratch import Scratch, abandoned
from app.traces import make_tracer
from inference.audio.kinds import decodable_kinds
from inference.request import EngineOptions
from workers.bell import Bell
from workers.deliver import Deliveries
from workers.failpoint import Failpoints
from workers.heartbeat import Heartbeat
from workers.inputs import Inputs
from workers.language import offered_names, wants_prompt_slot
from workers.loop import Pauses
from workers.nudges import Nudges
from workers.pace import Pace
from workers.post import Poster
from workers.prompts import PromptLoop
from workers.slot import Slot, SlotOptions
from workers.watch import Limits, Watch
from workers.wiring import Shared, loop_of

log = logging.getLogger(__name__)

HEARTBEATS_PER_LEASE = 6


class WorkerProcess:
    """Everything that one worker process owns."""

    def __init__(self, settings: Settings, *, database_url: str, redis_url: str) -> None:
        self._settings = settings
        self._worker_id = worker_id = uuid4()
        self._tracer = make_tracer(
            settings.otel_endpoint, service="acestep-worker", version=version("acestep-service")
        )
        self._scratch = Scratch(settings.attempts_dir / str(worker_id))
        self._database = Database(
            database_url, pool_size=5 + settings.queue_workers, application_name="acestep-worker"
        )
        self._doorbell = ArqDoorbell(redis_url)
        self._bell = Bell(redis_url, slots=settings.queue_workers)
        self._slots = [Slot(_slot_options(settings)) for _ in range(settings.queue_workers)]
        self._fleet = Fleet(
            self._database,
            worker_id=worker_id,
            version=version("acestep-service"),
            slots=settings.queue_workers,
            device=settings.device,
            describe=self._describe,
            doorbell_failures=lambda: self._doorbell.failures,
        )
        lifecycle = Lifecycle(
            self._database,
            self._doorbell,
            worker_id=worker_id,
            lease_s=settings.lease_seconds,
            max_crashes=settings.max_attempts,
            retention_days=settings.audio_retention_days,
        )
        self._store = store = choose_store(**settings.store)
        self._heartbeat = Heartbeat(
            lifecycle,
            self._fleet,
            worker_id=worker_id,
            every_s=settings.lease_seconds / HEARTBEATS_PER_LEASE,
        )
        self._nudges = Nudges(redis_url, worker_id=worker_id, on_nudge=self._heartbeat.beat_soon)
        self._recovery = Recovery(
            self._database,
            self._doorbell,
            max_crashes=settings.max_attempts,
            lease_s=settings.lease_seconds,
            store=store,
            idempotency_h=settings.idempotency_hours,
            model_wait_s=settings.model_wait,
            retention=Retention(self._database, store, record_days=settings.record_retention_days),
        )
        self._neighbours = Neighbours(self._recovery, abandoned=partial(abandoned, settings.attempts_dir))
        self._deliveries = _deliveries(settings, self._database)
        shared = Shared(
            lifecycle=lifecycle,
            heartbeat=self._heartbeat,
            bell=self._bell,
            fleet=self._fleet,
            store=store,
            inputs=Inputs(store, max_seconds=settings.max_input_seconds),
            pace=Pace(),
            tracer=self._tracer,
            limits=Limits(timeout_s=settings.task_timeout, cancel_grace_s=settings.cancel_grace),
            pauses=Pauses(),
            scratch=self._scratch.path,
            failpoints=Failpoints(os.environ),
        )
        self._prompts = PromptLoop(
            self._slots,
            own=_prompt_slot(settings),
            lifecycle=lifecycle,
            heartbeat=self._heartbeat,
            bell=self._bell,
            fleet=self._fleet,
            watch=Watch(Limits(timeout_s=settings.sync_timeout, cancel_grace_s=settings.cancel_grace)),
            backend=settings.lm_backend,
            idle_poll_s=shared.pauses.idle_poll_s,
        )
        self._loops = [
            loop_of(slot, shared, models=settings.models, on_health=self._tell_health) for slot in self._slots
        ]

    @property
    def id(self) -> UUID:
        """The id of this worker."""
        return self._worker_id

    async def run(self, stop: asyncio.Event, stop_now: asyncio.Event) -> None:
        """Start the children, work, and end in order.

        Args:
            stop: end when running tasks have ended, at the latest after the shutdown grace.
            stop_now: give running tasks back at once.

        Raises:
            ChildDied, JobFailed: a child could not start (a missing model, say); the text says what to do.
        """
        await self._store.health()
        await self._doorbell.start()
        await self._fleet.report()
        background = [asyncio.create_task(self._neighbours.run_forever(), name="neighbours")]
        try:
            if not await self._start_slots(stop):
                return
            await self._fleet.change("ready")
            background += [
                asyncio.create_task(self._heartbeat.run_forever(), name="heartbeat"),
                asyncio.create_task(self._bell.run_forever(), name="bell"),
                asyncio.create_task(self._nudges.run_forever(), name="nudges"),
                asyncio.create_task(self._recovery.run_forever(), name="sweeper"),
                asyncio.create_task(self._prompts.run(), name="prompts"),
            ]
            if self._deliveries is not None:
                background.append(asyncio.create_task(self._deliveries.run_forever(), name="deliveries"))
            log.info("worker ready", extra={"models": ",".join(self._settings.models)})
            await self._work(stop, stop_now)
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await self._close()

    async def _start_slots(self, stop: asyncio.Event) -> bool:
        """Start every child; False if the worker was told to stop before they were ready."""
        starting = [asyncio.create_task(slot.start()) for slot in self._slots]
        stopping = asyncio.create_task(stop.wait())
        for start in starting:
            await asyncio.wait({start, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if stop.is_set():
            for start in starting:
                start.cancel()
            await asyncio.gather(*starting, return_exceptions=True)
            return False
        for start in starting:
            start.result()
        return True

    async def _work(self, stop: asyncio.Event, stop_now: asyncio.Event) -> None:
        loops = [
            asyncio.create_task(loop.run(), name=f"slot {number}") for number, loop in enumerate(self._loops)
        ]
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({*loops, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for loop in self._loops:
            loop.stop_claiming()
        with suppress(Exception):
            await self._fleet.change("draining")
        log.info(
            "worker draining: a running task may end, a second signal gives it back now",
            extra={"grace_s": self._settings.shutdown_grace},
        )
        if self._heartbeat.longest_rest_s > self._settings.shutdown_grace:
            log.info("running tasks would take longer than the grace and are given back")
            stop_now.set()
        hurried = asyncio.create_task(stop_now.wait())
        ended = asyncio.create_task(asyncio.wait(loops))
        await asyncio.wait(
            {hurried, ended}, timeout=self._settings.shutdown_grace, return_when=asyncio.FIRST_COMPLETED
        )
        hurried.cancel()
        ended.cancel()
        for task in loops:
            task.cancel()
        for outcome in await asyncio.gather(*loops, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _close(self) -> None:
        await asyncio.gather(*(slot.stop() for slot in self._slots), return_exceptions=True)
        with suppress(Exception):
            await self._fleet.change("gone")
        await self._doorbell.close()
        await self._database.close()
        await asyncio.to_thread(self._tracer.close)
        await asyncio.to_thread(self._scratch.remove)
        log.info("worker ended")

    async def _tell_health(self) -> None:
        """Report a worker of which no slot works as faulty; one that drains says only that."""
        if self._fleet.state in ("ready", "faulty"):
            broken = all(loop.is_broken for loop in self._loops)
            await self._fleet.change("faulty" if broken else "ready")

    def _describe(self) -> tuple[Sequence[Mapping[str, Any]], Sequence[str]]:
        """Models that this worker serves, and those that its slots hold."""
        inputs = decodable_kinds()
        offered = {
            model.name: {**asdict(model), "inputs": inputs} for slot in self._slots for model in slot.models
        }
        return list(offered.values()), [name for loop in self._loops for name in loop.loaded]


def _deliveries(settings: Settings, database: Database) -> Deliveries | None:
    """The sender of webhooks; None where the secret is missing that opens their signing secrets."""
    pepper = settings.key_pepper.get_secret_value().encode()
    if not pepper:
        log.warning("this worker sends no webhooks: ACESTEP_KEY_PEPPER is not set")
        return None
    return Deliveries(
        Deliver(database, Sealing(pepper), env=settings.env, version=version("acestep-service")),
        Poster(
            allow_http=settings.webhook_allow_http, allowed=parse_networks(settings.webhook_allow_networks)
        ),
    )


def _slot_options(settings: Settings) -> SlotOptions:
    return SlotOptions(
        engine=settings.engine,
        engine_options=EngineOptions(
            models=settings.models,
            models_dir=str(settings.data_dir / "models"),
            device=settings.device,
            lazy=settings.no_init,
            keep_source=settings.repaint_keep_source,
            max_loaded=settings.max_loaded_models,
            flash_attention=settings.use_flash_attention,
            offload=settings.offload_to_cpu,
            offload_transformer=settings.offload_dit_to_cpu,
            compile_model=settings.compile_model,
            language_models=offered_names(
                settings.lm_model, init=settings.init_llm, models_dir=settings.data_dir / "models"
            ),
            lm_where_it_fits=settings.init_llm == "auto",
            lm_backend=settings.lm_backend,
            lm_device=settings.lm_device,
            lm_offload=settings.lm_offload_to_cpu,
            max_duration_s=int(settings.max_duration),
        ),
        environment={
            "TRITON_CACHE_DIR": str(settings.triton_cache_dir),
            "TORCHINDUCTOR_CACHE_DIR": str(settings.torchinductor_cache_dir),
        },
    )


def _prompt_slot(settings: Settings) -> Slot | None:
    """A slot whose child holds the default language model only; None = the other children answer prompts."""
    options = _slot_options(settings)
    names = options.engine_options.language_models
    if not wants_prompt_slot(settings.prompt_slot, names, models_dir=settings.data_dir / "models"):
        return None
    alone = replace(
        options.engine_options, models=(), language_models=names[:1], lazy=False, lm_where_it_fits=False
    )
    return Slot(replace(options, engine_options=alone))


async def run(settings: Settings, *, database_url: str, redis_url: str) -> None:
    """Run a worker until SIGTERM or SIGINT; a second signal gives running tasks back at once."""
    stop, stop_now = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (stop_now if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await require_schema(database_url)
    process = WorkerProcess(settings, database_url=database_url, redis_url=redis_url)
    with log_fields(worker=process.id):
        await process.run(stop, stop_now)
