"""A stream asks for its key again at every tick, so that a revoked one does not go on reading."""

from collections.abc import AsyncIterator
from typing import Any

from app.domain.errors import DatabaseUnavailableError
from app.domain.keys import make_key
from app.domain.stream import Told
from tests.unit.api.fakes import Connect, FakeServices

KEY = make_key()


class TickingStreams:
    """Tells nothing but ticks; `between` is called before each."""

    def __init__(self, between: Any) -> None:
        self._between = between

    async def team(self, caller: Any, team_id: Any, *, after: Any) -> AsyncIterator[Told | None]:
        yield Told(id=7)
        for _ in range(4):
            self._between()
            yield None

    def end(self) -> None:
        """Nothing to end."""


async def follow(fakes: FakeServices, connect: Connect, between: Any) -> str:
    fakes.add_key(KEY, scopes=frozenset({"tasks:read"}))
    fakes.streams = TickingStreams(between)
    async with connect() as client:
        response = await client.get("/v1/tasks/stream", headers={"authorization": KEY})
    assert response.status_code == 200
    return response.text.replace("\r\n", "\n")


async def test_every_tick_is_a_comment(fakes: FakeServices, connect: Connect) -> None:
    assert await follow(fakes, connect, lambda: None) == "id: 7\n\n" + 4 * ": still here\n\n"


async def test_a_revoked_key_ends_the_stream(fakes: FakeServices, connect: Connect) -> None:
    fakes.add_key(make_key(), scopes=frozenset())
    assert await follow(fakes, connect, lambda: fakes.revoke(KEY)) == "id: 7\n\n"


async def test_a_database_that_is_away_does_not(fakes: FakeServices, connect: Connect) -> None:
    def lose_database() -> None:
        fakes.key_failures.append(DatabaseUnavailableError())

    assert (await follow(fakes, connect, lose_database)).count(": still here") == 4
