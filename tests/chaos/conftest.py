"""One service behind proxies for all tests of single faults; each test mends what it broke."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.chaos.fleet import Fleet, a_fleet
from tests.chaos.invariants import Scene, Witness, broken_invariants
from tests.chaos.proxy import NONE


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def running_fleet() -> AsyncIterator[Fleet]:
    """Two API processes and one worker; all invariants are checked when the last test has ended."""
    async with a_fleet(workers=1, ACESTEP_LEASE_SECONDS="5", ACESTEP_MAX_ATTEMPTS="10") as fleet:
        yield fleet
        await fleet.stop_workers()
        scene = Scene(
            database_url=fleet.stack.database_url,
            store=fleet.store,
            api_url=fleet.apis[0].url,
            witness=Witness(),
            logs=fleet.logs,
            words=fleet.words,
        )
        assert not await broken_invariants(scene)


@pytest_asyncio.fixture
async def fleet(running_fleet: Fleet) -> AsyncIterator[Fleet]:
    """The service, mended after the test."""
    yield running_fleet
    for proxy in (running_fleet.database, running_fleet.redis, running_fleet.bell, running_fleet.s3):
        proxy.fault = NONE
    await running_fleet.settled()
