"""Teams: what is made and changed, by whom, and what the audit log keeps."""

from typing import Any

import asyncpg
import msgspec
import pytest

from app.db.engine import Database
from app.domain.authority import Authority
from app.domain.errors import ConflictError, ForbiddenError, NotFoundError, ValidationError
from app.domain.keys import Scope
from app.domain.task import TeamId
from app.services.teams import Teams
from tests.builders import a_team, claim, many_tasks
from tests.servers import execute

OPERATOR = Authority.operator("cli:test")


@pytest.fixture
def teams(db: Database) -> Teams:
    return Teams(db)


async def fetch(database_url: str, query: str) -> list[Any]:
    connection = await asyncpg.connect(database_url)
    rows: list[Any] = await connection.fetch(query)
    await connection.close()
    return rows


async def audited(database_url: str) -> list[tuple[str, str, Any]]:
    rows = await fetch(database_url, "SELECT actor, action, change FROM audit_log ORDER BY id")
    return [(row["actor"], row["action"], msgspec.json.decode(row["change"])) for row in rows]


def manager(team: TeamId) -> Authority:
    return Authority(name="ace_manager", scopes=frozenset({Scope.TEAM_MANAGE}), team_id=team)


async def test_a_team_is_made_with_its_limits_and_counters(teams: Teams, database_url: str) -> None:
    wish = {"name": "studio", "max_queued": 3, "weight": 2.0, "allowed_models": ["b", "a", "b"]}
    made = await teams.create(OPERATOR, wish)
    assert (made.name, made.max_queued, made.weight, made.allowed_models) == ("studio", 3, 2.0, ["a", "b"])
    assert (made.max_running, made.max_priority, made.disabled) == (None, 0, False)
    assert [team.name for team in await teams.all()] == ["default", "studio"]
    assert await teams.one("studio") == await teams.one(made.id) == made
    (row,) = await fetch(
        database_url,
        "SELECT s.running FROM team_state s JOIN teams t ON t.id = s.team_id AND t.name = 'studio'",
    )
    assert row["running"] == 0
    with pytest.raises(ConflictError, match="studio exists"):
        await teams.create(OPERATOR, {"name": "studio"})
    assert await audited(database_url) == [
        ("cli:test", "team.created", {**wish, "allowed_models": ["a", "b"]})
    ]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "name: a team needs one"),
        ({"name": ""}, "printable"),
        ({"name": " a"}, "printable"),
        ({"name": "a\n"}, "printable"),
        ({"name": "x" * 65}, "printable"),
        ({"name": 1}, "printable"),
        ({"name": "a", "weight": 0.0}, "weight: must be 0.001 to 1000"),
        ({"name": "a", "weight": float("nan")}, "weight"),
        ({"name": "a", "weight": None}, "weight: must be a number"),
        ({"name": "a", "max_queued": -1}, "max_queued"),
        ({"name": "a", "max_queued": 1.5}, "max_queued: must be a whole number"),
        ({"name": "a", "max_queued": True}, "max_queued: must be a whole number"),
        ({"name": "a", "max_running": 2**31}, "max_running"),
        ({"name": "a", "max_priority": 11}, "max_priority: must be -10 to 10"),
        ({"name": "a", "audio_retention_days": 36_501}, "audio_retention_days"),
        ({"name": "a", "allowed_models": "a"}, "allowed_models: must be a list"),
        ({"name": "a", "allowed_models": [[]]}, "allowed_models"),
        ({"name": "a", "disabled": 1}, "disabled: must be true or false"),
        ({"name": "a", "id": "x"}, "no field id"),
    ],
)
async def test_impossible_teams_are_refused(teams: Teams, fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        await teams.create(OPERATOR, fields)
    assert len(await teams.all()) == 1


async def test_a_change_is_noted_with_old_and_new(teams: Teams, database_url: str) -> None:
    await teams.create(OPERATOR, {"name": "studio", "max_queued": 3})
    change = {"max_queued": None, "max_running": 2, "weight": 1.0, "disabled": True, "name": "hall"}
    changed = await teams.change(OPERATOR, "studio", change)
    assert (changed.name, changed.max_queued, changed.max_running, changed.disabled) == (
        "hall",
        None,
        2,
        True,
    )
    assert not (await teams.change(OPERATOR, "hall", {"disabled": False})).disabled
    assert (await audited(database_url))[1:] == [
        (
            "cli:test",
            "team.changed",
            {
                "max_queued": {"from": 3, "to": None},
                "max_running": {"from": None, "to": 2},
                "disabled": {"from": False, "to": True},
                "name": {"from": "studio", "to": "hall"},
            },
        ),
        ("cli:test", "team.changed", {"disabled": {"from": True, "to": False}}),
    ]
    await teams.change(OPERATOR, "hall", {"max_running": 2})
    assert len(await audited(database_url)) == 3, "nothing changed, nothing noted"


async def test_names_stay_unique_and_default_keeps_its_own(teams: Teams, team: TeamId) -> None:
    await teams.create(OPERATOR, {"name": "studio"})
    with pytest.raises(ConflictError, match="default exists"):
        await teams.change(OPERATOR, "studio", {"name": "default"})
    with pytest.raises(ConflictError, match="keeps its name"):
        await teams.change(OPERATOR, "default", {"name": "mine"})
    with pytest.raises(NotFoundError, match="no team named nobody"):
        await teams.change(OPERATOR, "nobody", {"weight": 2})
    own = Authority(name="x", scopes=frozenset({Scope.ADMIN}), team_id=team)
    with pytest.raises(ConflictError, match="own team"):
        await teams.change(own, team, {"disabled": True})


@pytest.mark.parametrize(
    "change",
    [
        {"max_queued": 11},
        {"max_queued": None},
        {"max_priority": 3},
        {"weight": 1.5},
        {"allowed_models": None},
        {"allowed_models": ["a", "c"]},
        {"audio_retention_days": 31},
        {"disabled": True},
        {"name": "other"},
        {"max_running": 1, "max_queued": 11},
    ],
)
async def test_a_team_cannot_widen_its_own_limits(teams: Teams, team: TeamId, change: dict[str, Any]) -> None:
    held = {"max_queued": 10, "max_priority": 2, "allowed_models": ["a", "b"], "audio_retention_days": 30}
    before = await teams.change(OPERATOR, team, held)
    with pytest.raises(ForbiddenError, match="only an admin key"):
        await teams.change(manager(team), team, change)
    assert await teams.one(team) == before


async def test_a_team_can_lower_its_own_limits(teams: Teams, team: TeamId, database_url: str) -> None:
    await teams.change(OPERATOR, team, {"max_queued": 10, "allowed_models": ["a", "b"]})
    lower = {"max_queued": 4, "max_running": 1, "allowed_models": ["b"], "max_priority": -1, "weight": 0.5}
    changed = await teams.change(manager(team), team, lower)
    assert {name: getattr(changed, name) for name in lower} == lower
    assert (await audited(database_url))[-1][0] == "ace_manager"


async def test_pages_follow_each_other(teams: Teams) -> None:
    for number in range(4):
        await teams.create(OPERATOR, {"name": f"team-{number}"})
    first = await teams.page(limit=2)
    assert first.next_after is not None
    second = await teams.page(after=first.next_after, limit=3)
    names = [team.name for page in (first, second) for team in page.items]
    assert names == ["default", "team-0", "team-1", "team-2", "team-3"]
    assert second.next_after is None


async def test_a_higher_weight_counts_from_the_next_turn_on(
    teams: Teams, db: Database, database_url: str
) -> None:
    light, other = [await a_team(database_url, name, weight=0.001) for name in ("light", "other")]
    await execute(database_url, "UPDATE teams SET weight = 1 WHERE name = 'other'")
    for team in (light, other):
        await many_tasks(database_url, team, 20)
    served = [(await claim(db))[0].team_id for _ in range(10)]
    assert served.count(light) == 1
    await teams.change(OPERATOR, light, {"weight": 1.0})
    served = [(await claim(db))[0].team_id for _ in range(10)]
    assert served.count(light) in (5, 6)


async def test_a_team_that_was_disabled_does_not_make_up_for_it(
    teams: Teams, db: Database, database_url: str
) -> None:
    stopped, other = [await a_team(database_url, name) for name in ("stopped", "other")]
    for team in (stopped, other):
        await many_tasks(database_url, team, 40)
    await claim(db)
    await claim(db)
    await teams.change(OPERATOR, stopped, {"disabled": True})
    assert {(await claim(db))[0].team_id for _ in range(20)} == {other}
    await teams.change(OPERATOR, stopped, {"disabled": False})
    served = [(await claim(db))[0].team_id for _ in range(10)]
    assert served.count(stopped) in (5, 6)
