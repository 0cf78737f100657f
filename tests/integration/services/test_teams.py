"""Teams and keys: what is made, who may use it, and what the audit log keeps."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from app.db.engine import Database
from app.domain.errors import ConflictError, NotFoundError, ValidationError
from app.domain.keys import PREFIX_CHARS, is_well_formed, key_digest
from app.domain.task import TeamId
from app.domain.teams import TeamLimits
from app.services.keys import OPEN_CACHE_S, Keys
from app.services.teams import Teams

PEPPER = b"pepper"


@pytest.fixture
def teams(db: Database) -> Teams:
    return Teams(db, pepper=PEPPER, actor="cli:test")


async def fetch(database_url: str, query: str) -> list[Any]:
    connection = await asyncpg.connect(database_url)
    rows: list[Any] = await connection.fetch(query)
    await connection.close()
    return rows


async def test_a_team_is_made_with_its_limits_and_counters(teams: Teams, database_url: str) -> None:
    made = await teams.create_team("studio", TeamLimits(max_queued=3, weight=2.0, allowed_models=["a"]))
    assert (made.name, made.max_queued, made.weight, made.allowed_models) == ("studio", 3, 2.0, ["a"])
    assert [team.name for team in await teams.teams()] == ["default", "studio"]
    (row,) = await fetch(
        database_url,
        "SELECT s.running FROM team_state s JOIN teams t ON t.id = s.team_id AND t.name = 'studio'",
    )
    assert row["running"] == 0
    with pytest.raises(ConflictError, match="studio exists"):
        await teams.create_team("studio", TeamLimits())


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("", {}),
        (" a", {}),
        ("a\n", {}),
        ("x" * 65, {}),
        ("a", {"weight": 0.0}),
        ("a", {"weight": float("nan")}),
        ("a", {"max_queued": -1}),
        ("a", {"max_running": 2**31}),
        ("a", {"max_priority": 11}),
    ],
)
async def test_impossible_teams_are_refused(teams: Teams, name: str, limits: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        await teams.create_team(name, TeamLimits(**limits))
    assert len(await teams.teams()) == 1


async def test_a_key_works_until_it_is_revoked(teams: Teams, db: Database, database_url: str) -> None:
    made = await teams.create_key("default", name="laptop", scopes=["tasks:read", "audio:read"])
    assert is_well_formed(made.text)
    digest = key_digest(made.text.encode(), PEPPER)
    caller = await Keys(db).caller(digest)
    assert caller is not None
    assert caller.scopes == {"tasks:read", "audio:read"}
    assert caller.key_prefix == made.key.prefix == made.text[:PREFIX_CHARS]

    revoked = await teams.revoke_key(made.key.prefix)
    assert revoked.revoked_at is not None
    assert await Keys(db).caller(digest) is None
    assert (await teams.revoke_key(str(made.key.id))).revoked_at == revoked.revoked_at, (
        "only the first counts"
    )
    assert await Keys(db).has_keys(), "a revoked key still closes the service"

    stored = await fetch(database_url, "SELECT api_keys::text AS row FROM api_keys")
    assert made.text not in stored[0]["row"]
    assert made.text[PREFIX_CHARS:-4] not in stored[0]["row"]


async def test_an_expired_key_and_the_key_of_a_disabled_team_do_not_work(
    teams: Teams, db: Database, database_url: str
) -> None:
    await teams.create_team("other", TeamLimits())
    later = datetime.now(UTC) + timedelta(hours=1)
    ended = await teams.create_key("default", name="a", scopes=["tasks:read"], expires_at=later)
    disabled = await teams.create_key("other", name="b", scopes=["tasks:read"])
    digests = [key_digest(made.text.encode(), PEPPER) for made in (ended, disabled)]
    assert None not in [await Keys(db).caller(digest) for digest in digests]
    await fetch(database_url, "UPDATE api_keys SET expires_at = now() WHERE name = 'a'")
    await fetch(database_url, "UPDATE teams SET disabled_at = now() WHERE name = 'other'")
    assert [await Keys(db).caller(digest) for digest in digests] == [None, None]
    with pytest.raises(ValidationError, match="expired"):
        await teams.create_key("default", name="a", scopes=["admin"], expires_at=datetime.now(UTC))


async def test_the_last_use_is_written_at_most_once_a_minute(
    teams: Teams, db: Database, database_url: str
) -> None:
    made = await teams.create_key("default", name="a", scopes=["tasks:read"])
    digest = key_digest(made.text.encode(), PEPPER)
    assert (await teams.keys())[0].last_used_at is None
    await Keys(db).caller(digest)
    first = (await teams.keys())[0].last_used_at
    assert first is not None
    for _ in range(3):
        await Keys(db).caller(digest)
    assert (await teams.keys())[0].last_used_at == first
    await fetch(database_url, "UPDATE api_keys SET last_used_at = now() - interval '61 seconds'")
    await Keys(db).caller(digest)
    assert (await teams.keys())[0].last_used_at > first  # type: ignore[operator]


async def test_every_change_is_noted_without_the_key(teams: Teams, database_url: str) -> None:
    team = await teams.create_team("studio", TeamLimits(max_running=1))
    made = await teams.create_key("studio", name="laptop", scopes=["tasks:read"])
    await teams.revoke_key(str(made.key.id))
    await teams.revoke_key(str(made.key.id))
    noted = await fetch(database_url, "SELECT actor, action, object, change FROM audit_log ORDER BY id")
    assert [(row["actor"], row["action"], row["object"]) for row in noted] == [
        ("cli:test", "team.created", f"team {team.id}"),
        ("cli:test", "key.created", f"key {made.key.id}"),
        ("cli:test", "key.revoked", f"key {made.key.id}"),
    ]
    assert msgspec.json.decode(noted[0]["change"])["max_running"] == 1
    assert made.text[PREFIX_CHARS:] not in str([row["change"] for row in noted])


async def test_what_does_not_exist_is_said(teams: Teams, team: TeamId) -> None:
    for wrong in (
        teams.create_key("nobody", name="a", scopes=["tasks:read"]),
        teams.keys("nobody"),
        teams.revoke_key("ace_00000000"),
    ):
        with pytest.raises(NotFoundError):
            await wrong
    with pytest.raises(ValidationError, match="unknown scope tasks:all"):
        await teams.create_key("default", name="a", scopes=["tasks:all"])
    with pytest.raises(ValidationError, match="at least one scope"):
        await teams.create_key("default", name="a", scopes=[])


async def test_a_prefix_that_two_keys_share_revokes_neither(teams: Teams, database_url: str) -> None:
    for name in ("a", "b"):
        await teams.create_key("default", name=name, scopes=["tasks:read"])
    await fetch(database_url, "UPDATE api_keys SET prefix = 'ace_same0000'")
    with pytest.raises(ConflictError, match="2 keys"):
        await teams.revoke_key("ace_same0000")
    assert [key.revoked_at for key in await teams.keys("default")] == [None, None]


async def test_a_running_process_closes_within_seconds_of_the_first_key(teams: Teams, db: Database) -> None:
    keys = Keys(db)
    assert not await keys.has_keys()
    await teams.create_key("default", name="a", scopes=["tasks:read"])
    await asyncio.sleep(OPEN_CACHE_S)
    assert await keys.has_keys()
    assert OPEN_CACHE_S < 5
