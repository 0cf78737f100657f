"""Keys: who may make which, how they end, and what is kept of them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.db.engine import Database
from app.domain.authority import Authority
from app.domain.errors import ConflictError, ForbiddenError, NotFoundError, ValidationError
from app.domain.keys import PREFIX_CHARS, Scope, is_well_formed, key_digest
from app.domain.task import Caller, TeamId
from app.domain.team_keys import NewKey
from app.services.callers import OPEN_CACHE_S, Callers
from app.services.keys import Keys
from app.services.teams import Teams
from tests.builders import a_team
from tests.integration.services.test_teams import OPERATOR, audited, fetch

PEPPER = b"pepper"
DAY = timedelta(days=1)


@pytest.fixture
def keys(db: Database) -> Keys:
    return Keys(db, pepper=PEPPER)


def holder(team: TeamId, *scopes: str) -> Authority:
    return Authority(name="ace_holder", scopes=frozenset(scopes), team_id=team)


async def caller(db: Database, made: NewKey) -> Caller | None:
    """Who a key belongs to, for a process that has not met it before."""
    return await Callers(db).caller(key_digest(made.text.encode(), PEPPER))


async def make(keys: Keys, *scopes: str, team: str = "default", **more: Any) -> NewKey:
    return await keys.create(OPERATOR, team, name="laptop", scopes=scopes or ["tasks:read"], **more)


async def test_a_key_works_until_it_is_revoked(keys: Keys, db: Database, database_url: str) -> None:
    made = await make(keys, "tasks:read", "audio:read")
    assert is_well_formed(made.text)
    found = await caller(db, made)
    assert found is not None
    assert found.scopes == {"tasks:read", "audio:read"}
    assert found.key_prefix == made.key.prefix == made.text[:PREFIX_CHARS]

    revoked = await keys.revoke(OPERATOR, made.key.prefix)
    assert (revoked.state, made.key.state) == ("revoked", "active")
    assert await caller(db, made) is None
    again = await keys.revoke(OPERATOR, str(made.key.id))
    assert again.revoked_at == revoked.revoked_at, "only the first counts"
    assert await Callers(db).has_keys(), "a revoked key still closes the service"

    stored = await fetch(database_url, "SELECT api_keys::text AS row FROM api_keys")
    assert made.text not in stored[0]["row"]
    assert made.text[PREFIX_CHARS:-4] not in stored[0]["row"]


async def test_an_expired_key_and_the_key_of_a_disabled_team_do_not_work(
    keys: Keys, db: Database, database_url: str
) -> None:
    await a_team(database_url, "other")
    ended = await make(keys, expires_at=datetime.now(UTC) + DAY)
    disabled = await make(keys, team="other")
    assert None not in [await caller(db, made) for made in (ended, disabled)]
    await fetch(database_url, "UPDATE api_keys SET expires_at = now() WHERE expires_at IS NOT NULL")
    await Teams(db).change(OPERATOR, "other", {"disabled": True})
    assert [await caller(db, made) for made in (ended, disabled)] == [None, None]
    assert (await keys.one(OPERATOR, ended.key.prefix)).state == "expired"


async def test_the_last_use_is_written_at_most_once_a_minute(
    keys: Keys, db: Database, database_url: str
) -> None:
    made = await make(keys)

    async def last_use() -> Any:
        return (await keys.one(OPERATOR, made.key.prefix)).last_used_at

    assert await last_use() is None
    await caller(db, made)
    first = await last_use()
    assert first is not None
    for _ in range(3):
        await caller(db, made)
    assert await last_use() == first
    await fetch(database_url, "UPDATE api_keys SET last_used_at = now() - interval '61 seconds'")
    await caller(db, made)
    assert await last_use() > first


async def test_every_change_is_noted_without_the_key(keys: Keys, database_url: str) -> None:
    made = await make(keys)
    await keys.change(OPERATOR, made.key.prefix, {"name": "tower"})
    successor = await keys.rotate(OPERATOR, made.key.prefix, overlap=DAY)
    for _ in range(2):
        await keys.revoke(OPERATOR, made.key.prefix)
    noted = await audited(database_url)
    assert [action for _, action, _ in noted] == [
        "key.created",
        "key.changed",
        "key.rotated",
        "key.created",
        "key.revoked",
    ]
    assert noted[1][2] == {"name": {"from": "laptop", "to": "tower"}}
    assert noted[2][2]["successor"] == str(successor.key.id)
    for secret in (made.text, successor.text):
        assert secret[PREFIX_CHARS:] not in str(noted)


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ({"scopes": ["tasks:all"]}, "unknown scope tasks:all"),
        ({"scopes": []}, "at least one"),
        ({"scopes": "admin"}, "must be a list"),
        ({"scopes": [["admin"]]}, "unknown scope"),
        ({"scopes": None}, "must be a list"),
        ({"name": ""}, "key name"),
        ({"expires_at": "soon"}, "expires_at: must be a time such as"),
        ({"expires_at": 5}, "expires_at: must be a time such as"),
        ({"expires_at": "2030-01-01T00:00:00"}, "time zone"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "to come"),
        ({"expires_at": "9999-12-31T23:59:59-23:00"}, "to come"),
    ],
)
async def test_impossible_keys_are_refused(keys: Keys, wish: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        await keys.create(OPERATOR, "default", **{"name": "a", "scopes": ["tasks:read"], **wish})
    assert await keys.all(OPERATOR) == []


async def test_what_does_not_exist_is_said(keys: Keys) -> None:
    for wrong in (
        make(keys, team="nobody"),
        keys.all(OPERATOR, "nobody"),
        keys.revoke(OPERATOR, "ace_00000000"),
        keys.rotate(OPERATOR, "ace_00000000", overlap=DAY),
        keys.change(OPERATOR, "ace_00000000", {"name": "b"}),
    ):
        with pytest.raises(NotFoundError):
            await wrong


async def test_a_prefix_that_two_keys_share_revokes_neither(keys: Keys, database_url: str) -> None:
    for _ in range(2):
        await make(keys)
    await fetch(database_url, "UPDATE api_keys SET prefix = 'ace_same0000'")
    with pytest.raises(ConflictError, match="2 keys"):
        await keys.revoke(OPERATOR, "ace_same0000")
    assert [key.revoked_at for key in await keys.all(OPERATOR, "default")] == [None, None]


async def test_a_successor_has_the_same_rights_and_the_old_key_ends_after_the_overlap(
    keys: Keys, db: Database
) -> None:
    made = await make(keys, "tasks:read", "tasks:write")
    successor = await keys.rotate(OPERATOR, made.key.prefix, overlap=DAY)
    assert (successor.key.scopes, successor.key.name) == (made.key.scopes, made.key.name)
    assert successor.key.expires_at is None
    assert None not in [await caller(db, each) for each in (made, successor)]
    old = await keys.one(OPERATOR, made.key.prefix)
    assert old.expires_at is not None
    assert abs(old.expires_at - datetime.now(UTC) - DAY) < timedelta(minutes=1)
    await keys.rotate(OPERATOR, successor.key.prefix, overlap=timedelta(0))
    assert await caller(db, successor) is None


async def test_a_successor_lives_as_long_as_the_old_key_was_to_live(keys: Keys, database_url: str) -> None:
    made = await make(keys, expires_at=datetime.now(UTC) + 90 * DAY)
    await fetch(
        database_url,
        "UPDATE api_keys SET created_at = created_at - interval '89.9 days', "
        "expires_at = expires_at - interval '89.9 days'",
    )
    successor = await keys.rotate(OPERATOR, made.key.prefix, overlap=DAY)
    assert successor.key.expires_at is not None
    assert abs(successor.key.expires_at - datetime.now(UTC) - 90 * DAY) < timedelta(minutes=1)
    old = await keys.one(OPERATOR, made.key.prefix)
    assert old.expires_at is not None
    assert old.expires_at < datetime.now(UTC) + timedelta(hours=3), "an overlap prolongs nothing"


async def test_a_key_that_has_ended_is_not_changed(keys: Keys, database_url: str) -> None:
    revoked, expired = await make(keys), await make(keys)
    await keys.revoke(OPERATOR, revoked.key.prefix)
    await fetch(
        database_url,
        f"UPDATE api_keys SET expires_at = now() WHERE prefix = '{expired.key.prefix}'",  # noqa: S608
    )
    for wrong in (
        keys.change(OPERATOR, revoked.key.prefix, {"name": "b"}),
        keys.rotate(OPERATOR, revoked.key.prefix, overlap=DAY),
        keys.rotate(OPERATOR, expired.key.prefix, overlap=DAY),
    ):
        with pytest.raises(ConflictError):
            await wrong


async def test_no_key_grants_what_it_does_not_hold(keys: Keys, team: TeamId) -> None:
    by = holder(team, Scope.TEAM_MANAGE, Scope.TASKS_READ)
    for scopes in (["admin"], ["tasks:read", "tasks:write"]):
        with pytest.raises(ForbiddenError, match="cannot grant"):
            await keys.create(by, team, name="a", scopes=scopes)
    made = await keys.create(by, team, name="a", scopes=["tasks:read"])
    with pytest.raises(ForbiddenError, match=r"cannot grant .*: tasks:write"):
        await keys.change(by, str(made.key.id), {"scopes": ["tasks:read", "tasks:write"]})
    assert (await keys.change(by, str(made.key.id), {"scopes": ["team:manage"]})).scopes == ["team:manage"]


async def test_a_key_with_more_rights_is_neither_copied_nor_prolonged(keys: Keys, team: TeamId) -> None:
    by = holder(team, Scope.TEAM_MANAGE)
    more = await make(keys, "tasks:write", expires_at=datetime.now(UTC) + DAY)
    reference = str(more.key.id)
    for wrong in (
        keys.rotate(by, reference, overlap=DAY),
        keys.change(by, reference, {"expires_at": None}),
        keys.change(by, reference, {"expires_at": datetime.now(UTC) + 2 * DAY}),
    ):
        with pytest.raises(ForbiddenError, match="cannot grant"):
            await wrong
    shorter = {"expires_at": datetime.now(UTC) + DAY / 2, "name": "b"}
    assert (await keys.change(by, reference, shorter)).name == "b"
    assert (await keys.revoke(by, reference)).state == "revoked"


async def test_the_key_of_an_admin_is_for_admins(keys: Keys, team: TeamId) -> None:
    by = holder(team, *(scope for scope in Scope if scope is not Scope.ADMIN))
    admin = await make(keys, "admin")
    for wrong in (
        keys.revoke(by, str(admin.key.id)),
        keys.change(by, str(admin.key.id), {"name": "b"}),
        keys.rotate(by, str(admin.key.id), overlap=DAY),
    ):
        with pytest.raises(ForbiddenError, match="only an admin key"):
            await wrong


async def test_keys_of_other_teams_do_not_exist(keys: Keys, team: TeamId, database_url: str) -> None:
    other = await a_team(database_url, "other")
    made = await make(keys)
    by = holder(other, *Scope)
    stranger = Authority(name="x", scopes=by.scopes - {Scope.ADMIN}, team_id=other)
    for reference in (str(made.key.id), made.key.prefix):
        for wrong in (
            keys.one(stranger, reference),
            keys.revoke(stranger, reference),
            keys.change(stranger, reference, {"name": "b"}),
            keys.rotate(stranger, reference, overlap=DAY),
        ):
            with pytest.raises(NotFoundError):
                await wrong
    assert (await keys.page(stranger, limit=10)).items == []
    assert [key.id for key in (await keys.page(by, limit=10)).items] == [made.key.id]


async def test_a_running_process_closes_within_seconds_of_the_first_key(keys: Keys, db: Database) -> None:
    callers = Callers(db)
    assert not await callers.has_keys()
    await make(keys)
    await asyncio.sleep(OPEN_CACHE_S)
    assert await callers.has_keys()
    assert OPEN_CACHE_S < 5
