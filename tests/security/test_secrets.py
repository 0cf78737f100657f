"""S12: after all kinds of requests, no key and no words of a user are where they do not belong."""

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from app.db.engine import Database
from app.domain.keys import PREFIX_CHARS, make_key
from app.services.keys import Keys
from app.services.teams import Teams
from tests.integration.api.conftest import OPERATOR, PEPPER
from tests.processes import ROOT, STUB, Service, a_service
from tests.security.scale import share, tally

pytestmark = pytest.mark.inference


@dataclass
class Team:
    """What a team sends, what it must not see elsewhere, and all that it was answered."""

    key: str
    wrong_key: str = field(default_factory=make_key)
    canary: str = field(default_factory=lambda: f"canary{secrets.token_hex(12)}")
    answers: list[str] = field(default_factory=list)

    def requests(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Good and bad requests, with the key in every place where somebody may put it."""
        good, bad = {"authorization": f"Bearer {self.key}"}, {"authorization": f"Bearer {self.wrong_key}"}
        words = {"prompt": self.canary, "lyrics": f"{self.canary} la la"}
        return [
            ("POST", "/release_task", {"json": words, "headers": good}),
            (
                "POST",
                "/release_task",
                {"json": words | {"ai_token": self.key, "param_obj": {"ai_token": self.key}}},
            ),
            (
                "POST",
                "/release_task",
                {
                    "json": words | {"metas": json.dumps({"ai_token": self.key}), "x": self.key},
                    "headers": good,
                },
            ),
            ("POST", "/release_task", {"data": words | {"ai_token": self.key}}),
            (
                "POST",
                "/release_task",
                {"files": {"ai_token": (None, self.key), "prompt": (None, self.canary)}},
            ),
            (
                "POST",
                "/release_task",
                {
                    "json": words,
                    "headers": good
                    | {
                        "user-agent": self.key,
                        "x-request-id": self.key,
                        "referer": f"http://x/?k={self.key}",
                    },
                },
            ),
            (
                "POST",
                f"/release_task?ai_token={self.key}",
                {"json": words | {"audio_format": self.canary}, "headers": good},
            ),
            ("POST", "/release_task", {"json": words | {"ai_token": self.wrong_key}}),
            ("POST", "/release_task", {"content": b'{"prompt": "' + self.canary.encode(), "headers": good}),
            ("POST", "/release_task", {"json": words | {"src_audio_path": "/etc/passwd"}, "headers": good}),
            ("POST", "/query_result", {"json": {"task_id_list": [self.canary]}, "headers": good}),
            ("GET", f"/v1/tasks?q={self.canary}", {"headers": good}),
            ("GET", f"/v1/tasks?{self.key}=1", {"headers": good}),
            ("GET", "/v1/tasks/export?include=events", {"headers": good}),
            ("GET", f"/v1/tasks/{self.canary}", {"headers": good}),
            ("GET", f"/v1/audio?path={self.key}", {"headers": bad}),
            ("GET", f"/{self.key}/{self.canary}", {"headers": bad}),
            ("GET", "/v1/keys", {"headers": good}),
            ("GET", "/v1/stats", {"headers": bad}),
            ("POST", "/v1/keys", {"json": {"name": self.key, "scopes": [self.key]}, "headers": good}),
            ("PATCH", "/v1/teams/me", {"json": {self.key: 1, "max_queued": self.wrong_key}, "headers": good}),
            ("POST", "/v1/teams/me/webhooks", {"json": {"url": f"https://{self.key}@x/"}, "headers": good}),
        ]

    async def ask(self, client: httpx.AsyncClient) -> None:
        """Send each of them once."""
        for verb, path, request in self.requests():
            response = await client.request(verb, path, **request)
            assert response.status_code < 500, (verb, path, response.text)
            self.answers.append(response.text)

    @property
    def secret_parts(self) -> list[str]:
        """What of the keys must be nowhere; their beginning is shown on purpose."""
        return [key[PREFIX_CHARS:-7] for key in (self.key, self.wrong_key)]


async def dump(url: str) -> list[str]:
    """Every row of every table as text."""
    connection = await asyncpg.connect(url)
    names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [row for name in names for row in await connection.fetch(f"SELECT t::text FROM {name[0]} t")]  # noqa: S608
    await connection.close()
    return [row[0] for row in rows]


async def teams_of(db: Database, count: int) -> list[Team]:
    keys, made = Keys(db, pepper=PEPPER.encode()), []
    for number in range(count):
        await Teams(db).create(OPERATOR, {"name": f"team {number}"})
        scopes = ["tasks:write", "tasks:read", "audio:read", "stats:read", "team:manage"]
        made.append(Team((await keys.create(OPERATOR, f"team {number}", name="a", scopes=scopes)).text))
    return made


async def test_s12_no_secret_is_anywhere(
    tmp_path: Path, database_url: str, redis_url: str, db: Database
) -> None:
    teams = await teams_of(db, 2)
    operator = make_key()
    options = {"ACESTEP_ENGINE": STUB, "ACESTEP_QUEUE_MAXSIZE": "0", "ACESTEP_API_KEY": operator}
    async with a_service(tmp_path, database_url=database_url, redis_url=redis_url, **options) as service:
        await service.start("api")
        await service.start("worker", ACESTEP_LOG_FORMAT="json")
        async with httpx.AsyncClient(base_url=service.url, trust_env=False, timeout=60) as client:
            for _ in range(share(100)):
                for team in teams:
                    await team.ask(client)
            client.headers["authorization"] = operator
            await service.until(lambda: ended(client), what="every task to end", limit_s=240)
            metrics = (await client.get("/metrics")).text
            status = (await client.get("/v1/admin/status")).text
        judge(service, teams, [metrics, status], await dump(database_url), operator)


async def ended(client: httpx.AsyncClient) -> bool:
    jobs = (await client.get("/v1/stats")).json()["data"]["jobs"]
    return bool(jobs["queued"] == jobs["running"] == 0 and jobs["succeeded"])


def judge(service: Service, teams: list[Team], numbers: list[str], rows: list[str], operator: str) -> None:
    logs = [line for name in ("api", "worker") for line in service.log(name).splitlines()]
    answers = [line for team in teams for answer in team.answers for line in answer.splitlines()]
    metrics = [line for text in numbers for line in text.splitlines()]
    places = {"logs": logs, "database": rows, "answers": answers, "metrics": metrics}
    keys = [
        operator[PREFIX_CHARS:-7],
        *(part for team in teams for part in team.secret_parts),
        "pepper-of-the-tests",
    ]
    with tally("S12", least=300) as counted:
        assert any(teams[0].canary in row for row in rows), "else nothing was stored"
        for place, lines in places.items():
            for line in lines:
                counted.check(not any(key in line for key in keys), (place, line[:1000]))
        for line in (*logs, *metrics):
            counted.check(not any(team.canary in line for team in teams), line)
        for team, other in ((teams[0], teams[1]), (teams[1], teams[0])):
            for answer in team.answers:
                counted.check(other.canary not in answer, answer)
                for inner in (
                    "Traceback",
                    str(ROOT),
                    str(service.folder),
                    "site-packages",
                    "asyncpg",
                    "sqlalchemy",
                ):
                    counted.check(inner not in answer, (inner, answer))
