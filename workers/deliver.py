"""Sends due webhook deliveries from the supervising process; a team with slow receivers waits alone."""

import asyncio
import logging
import random
from collections import Counter

from app.db.deliveries import Due
from app.domain.errors import ConflictError, DatabaseUnavailableError
from app.domain.task import TeamId
from app.services.deliver import Deliver, Reply
from workers.post import Poster

log = logging.getLogger(__name__)

POLL_S = 1.0
# A sender costs little while it waits. Half of them are for teams that have none at work, so that an event of
# such a team leaves at once while receivers of dozens of other teams hang.
MOST_AT_ONCE = 256
MOST_OF_A_TEAM = 8


class Deliveries:
    """Takes what is due, as much as can be sent at once, and sends it."""

    def __init__(
        self, deliver: Deliver, post: Poster, *, poll_s: float = POLL_S, most_at_once: int = MOST_AT_ONCE
    ) -> None:
        self._deliver = deliver
        self._most_at_once = most_at_once
        self._post = post
        self._poll_s = poll_s
        self._sending: set[asyncio.Task[None]] = set()
        self._of_team: Counter[TeamId] = Counter()

    async def run_forever(self) -> None:
        """Deliver until cancelled; what is on its way then is sent again by somebody else."""
        try:
            while True:
                if not await self._take():
                    await asyncio.sleep(self._poll_s * random.uniform(0.8, 1.2))
                while len(self._sending) >= self._most_at_once:
                    await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for sending in self._sending:
                sending.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)
            self._post.close()

    async def _take(self) -> bool:
        """Begin to send what is due; False if there was nothing."""
        busy, most = self._bounds()
        try:
            taken = await self._deliver.take(most=most, busy=busy)
        except DatabaseUnavailableError:
            log.warning("deliveries postponed: database not available")
            return False
        except Exception:
            log.exception("deliveries failed, going on")
            return False
        for due in taken:
            self._of_team[due.team_id] += 1
            sending = asyncio.create_task(self._send(due), name=f"delivery {due.id}")
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
        return bool(taken)

    def _bounds(self) -> tuple[list[TeamId], int]:
        """The teams that have enough senders, and how many deliveries of the others may be taken."""
        free = self._most_at_once // 2 - len(self._sending)
        if free <= 0:
            return list(self._of_team), 1
        enough = [team for team, count in self._of_team.items() if count >= MOST_OF_A_TEAM]
        return enough, min(free, MOST_OF_A_TEAM)

    async def _send(self, due: Due) -> None:
        context = {"event_id": due.id, "task_id": due.task_id, "team": due.public_team_id, "try": due.tries}
        try:
            try:
                reply = await self._post(await self._deliver.message(due))
            except ConflictError as error:
                reply = Reply(error=str(error))
            await self._deliver.record(due, reply)
            log.info(
                "webhook delivered" if reply.error is None else "webhook not delivered",
                extra={**context, "status": reply.status, "ms": reply.latency_ms, "reason": reply.error},
            )
        except DatabaseUnavailableError:
            log.warning("delivery postponed: database not available", extra=context)
        except Exception:
            log.exception("delivery failed", extra=context)
        finally:
            self._of_team[due.team_id] -= 1
            if not self._of_team[due.team_id]:
                del self._of_team[due.team_id]
