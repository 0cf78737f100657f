"""An operator gives teams their keys by command, beside a running `acestep-api`, without any address."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.domain.keys import is_well_formed
from tests.acceptance.conftest import Installation

pytestmark = pytest.mark.inference


async def command(installation: Installation, *arguments: str, **environment: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("acestep-service")),
        *arguments,
        env={
            **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
            "ACESTEP_DATA_DIR": str(installation.folder / "data"),
            **environment,
        },
        cwd=installation.folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


async def tell(installation: Installation, *arguments: str) -> Any:
    status, out, err = await command(installation, *arguments, "--json")
    assert status == 0, err
    return json.loads(out)


@pytest_asyncio.fixture
async def client(installation: Installation) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        installation.running(ACESTEP_API_WORKERS="2"),
        httpx.AsyncClient(base_url=installation.url, trust_env=False) as client,
    ):
        yield client


async def until_status(
    client: httpx.AsyncClient, wanted: int, limit_s: float, headers: dict[str, str] | None = None
) -> None:
    """Wait until new connections, so both API processes, answer with this status twenty times in a row."""
    in_a_row = 0
    async with asyncio.timeout(limit_s):
        while in_a_row < 20:
            async with httpx.AsyncClient(base_url=client.base_url, trust_env=False) as fresh:
                status = (await fresh.get("/v1/models", headers=headers)).status_code
            in_a_row = in_a_row + 1 if status == wanted else 0
            await asyncio.sleep(0.02)


async def test_teams_get_keys_and_the_service_closes(
    installation: Installation, client: httpx.AsyncClient
) -> None:
    assert (await client.get("/v1/models")).status_code == 200, "open as long as there is no key"
    team = await tell(installation, "team", "create", "studio", "--max-queued", "5")
    assert (team["name"], team["max_queued"], team["max_running"]) == ("studio", 5, None)
    made = await tell(installation, "key", "create", "studio", "--name", "laptop", "--expires", "30d")
    assert is_well_formed(made["key"])
    assert "admin" not in made["scopes"]
    await until_status(client, 401, 10)

    headers = {"authorization": made["key"]}
    accepted = await client.post("/release_task", json={"audio_duration": 10}, headers=headers)
    task_id = accepted.json()["data"]["task_id"]
    record = (await client.get(f"/v1/tasks/{task_id}", headers=headers)).json()["data"]
    assert (record["key_id"], record["key_prefix"]) == (made["id"], made["prefix"])
    assert (record["team_id"], record["events"][0]["actor"]) == (team["id"], made["prefix"])

    (listed,) = await tell(installation, "key", "list", "--team", "studio")
    assert listed["last_used_at"] is not None
    assert "key" not in listed
    status, table, _ = await command(installation, "key", "list", COLUMNS="160")
    assert status == 0
    assert made["prefix"] in table
    assert "active" in table
    assert made["key"] not in table

    await until_status(client, 200, 10, headers)
    await tell(installation, "key", "revoke", made["prefix"])
    await until_status(client, 401, 30, headers)
    await until_status(client, 401, 5)
    assert made["key"] not in installation.log
    assert f"key={made['prefix']}" in installation.log


async def test_what_is_wrong_is_said_in_one_line(installation: Installation) -> None:
    status, _, err = await command(installation, "team", "list")
    assert (status, err.count("\n")) == (1, 1)
    assert "no database runs on the data folder" in err
    assert "acestep-api" in err
    assert not (installation.folder / "data").exists(), "looking makes nothing"
    for arguments, text in (
        (("key", "create", "studio", "--expires", "soon"), "expected 90d"),
        (("key", "create", "studio", "--scope", "everything"), "'everything' is not one of"),
    ):
        status, _, err = await command(installation, *arguments)
        assert (status, text in err) == (2, True), err


async def test_the_commands_work_on_servers_of_the_operator(
    installation: Installation, database_url: str
) -> None:
    status, _, err = await command(installation, "key", "create", "default", DATABASE_URL=database_url)
    assert (status, "ACESTEP_KEY_PEPPER" in err) == (1, True)
    status, out, err = await command(
        installation, "key", "create", "default", DATABASE_URL=database_url, ACESTEP_KEY_PEPPER="pepper"
    )
    assert status == 0, err
    assert is_well_formed(out.strip()), "nothing but the key on standard output"
    status, out, _ = await command(
        installation, "team", "list", DATABASE_URL=database_url, ACESTEP_KEY_PEPPER="pepper"
    )
    assert "default" in out
