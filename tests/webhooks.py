"""What tests of webhooks share: endpoints, a running deliverer, and the check that the docs print."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.db.engine import Database
from app.db.tasks import Actor, ClaimedTask
from app.domain.addresses import parse_networks
from app.domain.endpoints import Endpoint
from app.domain.keys import Scope
from app.domain.task import Caller, TeamId
from app.domain.webhook import EndpointChange
from app.services.deliver import Deliver
from app.services.sealing import Sealing
from app.services.webhooks import Webhooks
from tests.builders import WORKER, a_clip
from tests.receiver import Heard
from tests.servers import execute
from workers.deliver import Deliveries
from workers.post import Poster

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "webhooks.md"
LOOPBACK = parse_networks("127.0.0.0/8")
SEALING = Sealing(b"pepper-of-the-tests")


def documented_check() -> Callable[[str, str, bytes], bool]:
    """The receiver's check as `docs/webhooks.md` prints it."""
    (snippet,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)  # noqa: S102 - our own document
    check: Callable[[str, str, bytes], bool] = names["is_genuine"]
    return check


def is_genuine(heard: Heard, secret: str) -> bool:
    return documented_check()(secret, heard.headers["x-acestep-signature"], heard.body)


def webhooks_of(db: Database) -> Webhooks:
    return Webhooks(db, SEALING, allow_http=True, allowed=LOOPBACK)


def manager(team: TeamId) -> Caller:
    return Caller(team_id=team, key_id=None, scopes=frozenset({Scope.TEAM_MANAGE}))


async def an_endpoint(db: Database, team: TeamId, url: str, **change: Any) -> Endpoint:
    return await webhooks_of(db).add(manager(team), "me", EndpointChange(url=url, **change))


@asynccontextmanager
async def delivering(
    db: Database, *, limit_s: float = 0.3, hold_s: float = 30.0, most_at_once: int = 256
) -> AsyncIterator[None]:
    """Deliver as a worker does, until the block ends."""
    deliver = Deliver(db, SEALING, env="test", version="1.2.3", hold_s=hold_s)
    poster = Poster(allow_http=True, allowed=LOOPBACK, limit_s=limit_s)
    deliveries = Deliveries(deliver, poster, poll_s=0.02, most_at_once=most_at_once)
    running = asyncio.create_task(deliveries.run_forever())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def hurry(url: str) -> None:
    """Make everything due now that waits for another try."""
    await execute(
        url, "UPDATE webhook_deliveries SET next_at = now() WHERE delivered_at IS NULL AND dead_at IS NULL"
    )


async def tell_each_task(url: str, target: str) -> None:
    """Give every stored task a webhook of its own."""
    await execute(url, f"UPDATE task_params SET webhook_url = '{target}'")  # noqa: S608


async def succeed(db: Database, task: ClaimedTask) -> None:
    async with db.autocommit() as work:
        assert await work.tasks.succeed(
            task.id,
            task.attempt,
            actor=Actor(kind="worker", id=str(WORKER)),
            result={"items": []},
            clips=[a_clip(task)],
            gpu_seconds=1.0,
        )


async def eventually(condition: Callable[[], Any], *, limit_s: float = 20.0) -> None:
    """Wait for a condition, which may be a coroutine function."""
    deadline = asyncio.get_running_loop().time() + limit_s
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return
        assert asyncio.get_running_loop().time() < deadline, "waited too long"
        await asyncio.sleep(0.02)
