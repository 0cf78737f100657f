"""Looks at a running installation the way an operator would: is each part there, and why do tasks wait."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from app.db.diagnosis import HeldTeam, WaitingFor
from app.db.engine import Database
from app.db.workers import LiveWorker
from app.domain.errors import ServiceError
from app.domain.findings import Finding, fail, good, warn
from app.domain.ports import ObjectStore
from app.services.models import is_language

# Longer than a worker needs to hear of a task when all is well.
WAITS_LONG_S = 60.0
CHECK_LIMIT_S = 15.0
MOST_NAMED = 3


class Checkup:
    """The checks of `acestep-service doctor` that need the servers."""

    def __init__(
        self,
        database: Database,
        open_store: Callable[[], ObjectStore],
        *,
        ping_redis: Callable[[], Awaitable[None]],
        lease_s: float,
    ) -> None:
        self._database = database
        self._open_store = open_store
        self._ping_redis = ping_redis
        self._lease_s = lease_s

    async def run(self) -> list[Finding]:
        """Run every check; one that cannot be made says so and spoils no other."""
        checks = (self._postgres, self._redis, self._objects, self._workers, self._queue, self._counters)
        return [finding for check in checks for finding in await _safely(check)]

    async def _postgres(self) -> list[Finding]:
        async with self._database.autocommit() as work:
            version = await work.diagnosis.server_version()
        return [good("postgres", f"version {version}, schema up to date")]

    async def _redis(self) -> list[Finding]:
        try:
            await self._ping_redis()
        except Exception as error:
            remedy = "start it, or correct REDIS_URL; until then tasks start up to a second later"
            return [warn("redis", f"does not answer ({type(error).__name__})", remedy)]
        return [good("redis", "answers")]

    async def _objects(self) -> list[Finding]:
        await self._open_store().health()
        return [good("store", "can be written to")]

    async def _workers(self) -> list[Finding]:
        async with self._database.autocommit() as work:
            workers = await work.workers.alive(lease_s=self._lease_s)
        if not workers:
            remedy = "start one beside a GPU: acestep-service worker; its log says why it does not stay"
            return [fail("workers", "none is alive", remedy)]
        return [good("workers", f"{len(workers)} alive, offering {_offered(workers)}")]

    async def _queue(self) -> list[Finding]:
        async with self._database.autocommit() as work:
            waiting = await work.diagnosis.waiting()
            paused = await work.diagnosis.is_paused()
            held = await work.diagnosis.held_teams()
            workers = await work.workers.alive(lease_s=self._lease_s)
        return why_waiting(waiting, paused=paused, held=held, workers=workers)

    async def _counters(self) -> list[Finding]:
        async with self._database.snapshot() as work:
            counted = await work.stats.recount()
            wrong = [*await work.stats.drift(), *await work.usage.drift()]
        if wrong:
            remedy = "report this as a bug, with the log; the rows are right, the statistics are not"
            named = "; ".join(f"{drift.what} by {drift.difference:+g}" for drift in wrong[:MOST_NAMED])
            return [fail("counters", f"{len(wrong)} differ from the rows: {named}", remedy)]
        return [good("counters", f"equal a recount of {sum(counted.values())} tasks")]


async def _safely(check: Callable[[], Awaitable[list[Finding]]]) -> list[Finding]:
    name = check.__name__.strip("_")
    name = {"objects": "store"}.get(name, name)
    try:
        async with asyncio.timeout(CHECK_LIMIT_S):
            return await check()
    except TimeoutError:
        return [
            fail(name, f"no answer within {CHECK_LIMIT_S:g} seconds", "see whether the server is overloaded")
        ]
    except ServiceError as error:
        return [fail(name, error.message, "start it, or correct its address and credentials")]


def _offered(workers: Sequence[LiveWorker]) -> str:
    return (
        ", ".join(sorted({model["name"] for worker in workers for model in worker.models})) or "nothing yet"
    )


def _offered_with_language(workers: Sequence[LiveWorker]) -> set[str]:
    """Models of workers that offer a language model beside them."""
    able = [worker for worker in workers if any(map(is_language, worker.models))]
    return {model["name"] for worker in able for model in worker.models}


def why_waiting(
    waiting: Sequence[WaitingFor],
    *,
    paused: bool,
    held: Sequence[HeldTeam],
    workers: Sequence[LiveWorker],
) -> list[Finding]:
    """Say for the waiting tasks what they wait for; nothing wrong is one good line."""
    found: list[Finding] = []
    total = sum(each.tasks for each in waiting)
    if paused:
        remedy = "resume it: POST /v1/admin/queue/resume, or the admin page"
        found.append(warn("queue", f"paused; {total} tasks wait", remedy))
    offered = {model["name"] for worker in workers for model in worker.models}
    with_lm = _offered_with_language(workers)
    for each in waiting:
        if each.model in offered - with_lm and each.need_lm:
            remedy = "start a worker with one (ACESTEP_INIT_LLM, ACESTEP_LM_MODEL_PATH), or these will fail"
            text = f"{each.need_lm} tasks of {each.model} need a language model and no worker offers one"
            found.append(fail("queue", text, remedy))
        if workers and each.model not in offered:
            remedy = f"start a worker with {each.model} in ACESTEP_CONFIG_PATH, or cancel these tasks"
            found.append(
                fail("queue", f"{each.tasks} tasks wait for {each.model}, which no worker offers", remedy)
            )
    for team in held:
        limit = "is disabled" if team.disabled else f"runs {team.max_running} tasks, as many as it may"
        remedy = f"acestep-service team shows and changes it; {team.waiting} tasks of it wait"
        found.append(warn("queue", f"team {team.name} {limit}", remedy))
    oldest_s = max((each.oldest_s for each in waiting), default=0.0)
    if not found and oldest_s > WAITS_LONG_S:
        text = f"{total} tasks wait, the oldest for {oldest_s:.0f} seconds: the workers are busy"
        found.append(warn("queue", text, "add workers, or lower ACESTEP_QUEUE_MAXSIZE"))
    return found or [good("queue", f"{total} tasks wait, nothing holds them back")]
