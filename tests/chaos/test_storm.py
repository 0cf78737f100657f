"""One storm: tasks through two API processes and three workers while everything around them fails.

`STORM_TASKS=5000 STORM_SEED=7` choose size and seed; the printed seed draws the same tasks and acts again.
"""

import asyncio
import os
import random
import time
from collections import Counter

import pytest

from tests.chaos.acts import Act, plan_acts
from tests.chaos.clients import OF_A_CLIENT, Clients, Errand, plan_errands
from tests.chaos.fleet import Fleet, a_fleet
from tests.chaos.invariants import Scene, Witness, broken_invariants

pytestmark = [pytest.mark.chaos, pytest.mark.inference]

TASKS = int(os.environ.get("STORM_TASKS", "80"))
CLIENTS = 32
WORKERS = 3


class Weather:
    """Acts and tasks keep pace with each other, so that the acts are spread over the whole storm."""

    def __init__(self, fleet: Fleet, clients: Clients, witness: Witness, acts: list[Act], tasks: int) -> None:
        self._fleet, self._clients, self._witness = fleet, clients, witness
        self._acts, self._tasks = acts, tasks
        self._step = asyncio.Condition()
        self._done = 0

    async def blow(self, chance: random.Random) -> None:
        """Do one act after the other, each when its share of the tasks has ended."""
        for number, act in enumerate(self._acts):
            while self._clients.ended < self._tasks * number // len(self._acts):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            await asyncio.sleep(chance.uniform(0.0, 0.2))
            await act(self._fleet, self._witness, chance)
            async with self._step:
                self._done += 1
                self._step.notify_all()

    async def allows(self, errand: Errand) -> None:
        """Wait until enough has happened for this errand to begin."""
        ahead = self._tasks * 2 // len(self._acts) + CLIENTS
        async with self._step:
            await self._step.wait_for(
                lambda: (
                    self._done == len(self._acts)
                    or errand.number < self._tasks * self._done // len(self._acts) + ahead
                )
            )


async def run_clients(clients: Clients, weather: Weather, errands: list[Errand]) -> None:
    """Let so many clients work through the errands."""
    waiting = iter(errands)

    async def one_client() -> None:
        for errand in waiting:
            await weather.allows(errand)
            await clients.run(errand)

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(one_client())


async def test_nothing_is_lost_and_nothing_happens_twice() -> None:
    seed = int(os.environ.get("STORM_SEED", random.SystemRandom().randrange(10**6)))
    print(f"\nstorm: STORM_SEED={seed} STORM_TASKS={TASKS}")
    errands = plan_errands(random.Random(f"errands {seed}"), TASKS)
    acts = plan_acts(random.Random(f"acts {seed}"), TASKS)
    witness = Witness()
    async with a_fleet(
        workers=WORKERS,
        ACESTEP_LEASE_SECONDS="2",
        ACESTEP_QUEUE_MAXSIZE="8",
        ACESTEP_MAX_ATTEMPTS="1000",
        ACESTEP_SHUTDOWN_GRACE="3",
        ACESTEP_CANCEL_GRACE="2",
    ) as fleet:
        clients = Clients([api.url for api in fleet.apis], witness, seed)
        weather = Weather(fleet, clients, witness, acts, TASKS)
        began = time.monotonic()
        blowing = asyncio.create_task(weather.blow(random.Random(f"weather {seed}")))
        await run_clients(clients, weather, errands)
        await blowing
        await clients.close()
        took_s = time.monotonic() - began
        await fleet.stop_workers()
        broken = await broken_invariants(
            Scene(
                database_url=fleet.stack.database_url,
                store=fleet.store,
                api_url=fleet.apis[0].url,
                witness=witness,
                logs=fleet.logs,
                words=[*fleet.words, OF_A_CLIENT],
            )
        )
    done = Counter(act.__name__ for act in acts)
    print(f"storm: {took_s:.0f} s, {clients.answers}, {len(witness.refused)} refused, acts {done}")
    assert not broken, f"STORM_SEED={seed} STORM_TASKS={TASKS}\n" + "\n".join(broken)
