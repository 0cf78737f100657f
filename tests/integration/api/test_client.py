"""The Python client, both kinds of it, and the `task` commands, against the running application."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import click.testing
import pytest

from app.cli.service import main
from app.client import ApiError, AsyncClient, Client, TaskFailedError, TaskResult
from app.db.engine import Database
from tests.audio_files import a_wav
from tests.builders import claim
from tests.integration.api.conftest import World
from tests.streaming import served
from tests.webhooks import succeed

T = TypeVar("T")


@pytest.fixture
async def address(world: World) -> AsyncIterator[str]:
    async with served(world.app) as url:
        yield url


@pytest.fixture
async def client(world: World, address: str) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(address, api_key=world.a.key) as client:
        yield client


async def with_sync(world: World, address: str, ask: Callable[[Client], T]) -> T:
    """Ask with the client for ordinary programs, in a thread."""

    def run() -> T:
        with Client(address, api_key=world.a.key) as client:
            return ask(client)

    return await asyncio.to_thread(run)


async def work_on_everything(db: Database) -> None:
    """Finish whatever waits, as a worker would."""
    while True:
        for task in await claim(db):
            await asyncio.sleep(0.1)
            await succeed(db, task)
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def working(db: Database) -> AsyncIterator[None]:
    worker = asyncio.create_task(work_on_everything(db))
    yield
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)


async def test_submit_and_wait(world: World, address: str, client: AsyncClient, db: Database) -> None:
    seen: list[str] = []

    def see(result: TaskResult) -> None:
        seen.append(result.state)

    async with working(db):
        first = await client.wait(await client.submit(prompt="a"), poll_s=0.02, on_progress=see)
        second = await with_sync(
            world, address, lambda sync: sync.wait(sync.submit(prompt="b"), poll_s=0.02, on_progress=see)
        )
    for result in (first, second):
        assert (result.state, result.status, result.progress, len(result.files)) == ("succeeded", 1, 1.0, 1)
        assert (result.error, result.error_code) == (None, None)
    assert seen.count("succeeded") == 2
    assert set(seen) <= {"queued", "running", "succeeded"}
    assert (await client.record(first.task_id))["parameters"]["prompt"] == "a"
    assert (await client.stats())["jobs"]["succeeded"] == 4


async def test_a_submission_can_be_repeated(client: AsyncClient) -> None:
    first = await client.submit(prompt="a", idempotency_key="mine")
    assert await client.submit(prompt="a", idempotency_key="mine") == first
    assert await client.submit(prompt="a") != first
    with pytest.raises(ApiError) as refused:
        await client.submit(prompt="another", idempotency_key="mine")
    assert refused.value.status == 409


async def test_a_task_that_ends_badly_is_an_exception(client: AsyncClient) -> None:
    task_id = await client.submit(prompt="x")
    assert await client.cancel(task_id) == "cancelled"
    with pytest.raises(TaskFailedError, match="cancelled") as failed:
        await client.wait(task_id)
    assert (failed.value.code, failed.value.result.task_id) == ("cancelled", task_id)
    with pytest.raises(TaskFailedError) as unknown:
        await client.wait("00000000-0000-0000-0000-000000000000")
    assert unknown.value.code == "not_found"
    with pytest.raises(TimeoutError, match=r"not done after 0\.05 seconds"):
        await client.wait(await client.submit(), timeout_s=0.05, poll_s=0.06)


async def test_audio_is_uploaded_and_downloaded(
    world: World, address: str, client: AsyncClient, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.wav"
    clip.write_bytes(a_wav())
    task_id = await client.submit(
        source=clip, task_type="cover", batch_size=1, labels={"a": "b"}, prompt=None
    )
    record = await with_sync(world, address, lambda sync: sync.record(task_id))
    assert [(each["role"], each["bytes"]) for each in record["inputs"]] == [("source", clip.stat().st_size)]
    assert record["labels"] == {"a": "b"}

    file = f"/v1/audio?path={world.a.audio}"
    target = tmp_path / "down.wav"
    assert await client.download(file, target) == target
    assert target.read_bytes() == b"sound of team-a" * 10
    await with_sync(world, address, lambda sync: sync.download(file, target))
    with pytest.raises(ApiError) as refused:
        await client.download(f"/v1/audio?path={world.b.audio}", tmp_path / "foreign.wav")
    assert (refused.value.status, str(refused.value)) == (404, "audio file not found")
    assert {path.name for path in tmp_path.glob("*.wav*")} == {"clip.wav", "down.wav"}


async def test_the_history_is_read_page_by_page(world: World, address: str, client: AsyncClient) -> None:
    made = [await client.submit(prompt=f"song {number}", labels={"take": str(number)}) for number in range(4)]
    every = [task["id"] async for task in client.history(limit=2)]
    assert every[:4] == made[::-1]
    assert len(every) == 6
    listed = await with_sync(
        world, address, lambda sync: list(sync.history(state="queued", order="asc", limit=2))
    )
    assert [task["id"] for task in listed][1:] == made
    (labelled,) = [task async for task in client.history(label_take="2")]
    assert (labelled["id"], labelled["prompt"]) == (made[2], "song 2")


async def test_refusals_have_their_facts(address: str, client: AsyncClient) -> None:
    with pytest.raises(ApiError) as bad:
        await client.submit(model="none")
    assert (bad.value.status, bad.value.code, bad.value.may_pass) == (400, 400, False)
    assert bad.value.request_id
    async with AsyncClient(address, api_key="ace_wrong") as stranger:
        with pytest.raises(ApiError, match="invalid API key") as refused:
            await stranger.wait("x")
    assert refused.value.status == 401
    async with AsyncClient("http://127.0.0.1:1") as nobody:
        with pytest.raises(ApiError, match="does not answer") as silent:
            await nobody.health()
    assert (silent.value.status, silent.value.may_pass) == (0, True)


async def run(world: World, address: str, *arguments: str, fails: bool = False) -> str:
    """Run `acestep-service task` in a thread; returns its standard output, or its error."""

    def call() -> click.testing.Result:
        environment = {"ACESTEP_API_KEY": world.a.key, "COLUMNS": "200"}
        return click.testing.CliRunner().invoke(main, ["task", *arguments, "--url", address], env=environment)

    result = await asyncio.to_thread(call)
    assert (result.exit_code != 0) == fails, result.output
    return result.stderr if fails else result.stdout


async def test_the_commands(world: World, address: str, db: Database, tmp_path: Path) -> None:
    async def as_json(*arguments: str) -> Any:
        return json.loads(await run(world, address, *arguments, "--json"))

    made = (await run(world, address, "submit", "prompt=calm piano", "batch_size=1")).strip()
    assert (await as_json("show", made))["parameters"]["prompt"] == "calm piano"
    shown = await run(world, address, "show", made)
    assert all(fact in shown for fact in (made, "queued", "calm piano", "acestep-tiny-random"))
    table = await run(world, address, "list", "--state", "queued", "--limit", "5")
    assert made in table
    assert "calm piano" in table
    assert [task["id"] for task in await as_json("list", "--words", "calm", "--limit", "1")] == [made]

    assert "there are no clips: queued" in await run(world, address, "download", made, fails=True)
    async with working(db):
        waited = await as_json("wait", made)
    assert (waited["state"], waited["task_id"], waited["saved"]) == ("succeeded", made, [])

    done = str(world.a.done)
    saved = (await as_json("download", done, "--save-to", str(tmp_path / "clips")))["saved"]
    assert Path(saved[0]).read_bytes() == b"sound of team-a" * 10
    assert (await run(world, address, "submit", "prompt=x", "--json")).startswith("{")

    other = (await run(world, address, "submit")).strip()
    assert await as_json("cancel", other) == {"task_id": other, "state": "cancelled"}
    assert "ended without a clip: cancelled" in await run(world, address, "wait", other, fails=True)
    assert "not available" in await run(world, address, "submit", "model=none", fails=True)
    assert "name=value" in await run(world, address, "submit", "prompt", fails=True)


@pytest.mark.parametrize("number", [0, 1])
async def test_the_examples_of_the_docs_work(
    world: World, address: str, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    document = Path(__file__).resolve().parents[3] / "docs" / "client.md"
    code = re.findall(r"```python\n(.*?)```", document.read_text(), re.DOTALL)[number]
    monkeypatch.chdir(tmp_path)
    # The clip of this worker is a row without bytes.
    monkeypatch.setattr(Client, "download", lambda client, file, target: target.touch())
    said: list[str] = []
    names = {"KEY": world.a.key, "print": lambda *words: said.append(" ".join(map(str, words)))}
    async with working(db):
        await asyncio.to_thread(exec, code.replace("http://127.0.0.1:8001", address), names)
    assert said
