"""Prompt tasks on real children: a slot of their own, or between two steps of a song."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.db.engine import Database
from app.domain.errors import LanguageModelFailedError
from app.domain.format_input import FormattedInput, FormatWish
from app.domain.task import Caller, TeamId
from app.services.fleet import Fleet
from app.services.lifecycle import Lifecycle
from app.services.prompting import Prompting
from inference.request import EngineOptions, GenerationRequest, ItemSpec
from tests.builders import WORKER
from tests.fakes import ListeningDoorbell
from tests.processes import STUB
from workers.bell import Bell
from workers.heartbeat import Heartbeat
from workers.prompts import PromptLoop
from workers.slot import Slot, SlotOptions
from workers.watch import Limits, Watch

pytestmark = pytest.mark.inference

LM = "acestep-5Hz-lm-tiny-random"
WISH = FormatWish(
    prompt="pop rock",
    lyrics="Walking down the street",
    temperature=0.85,
    bpm=None,
    key_scale="Am",
    time_signature="",
    duration_s=180.0,
    vocal_language="en",
)


class Prompts:
    """A prompt loop on the test's slots, and the service that asks it."""

    def __init__(self, db: Database, team: TeamId, slots: Sequence[Slot], own: Slot | None) -> None:
        lifecycle = Lifecycle(db, ListeningDoorbell(), worker_id=WORKER, lease_s=30, max_crashes=3)
        fleet = Fleet(db, worker_id=WORKER, version="1", slots=1, device="cpu", describe=lambda: ([], []))
        self.heartbeat = Heartbeat(lifecycle, fleet, worker_id=WORKER, every_s=0.2)
        self.loop = PromptLoop(
            slots,
            own=own,
            lifecycle=lifecycle,
            heartbeat=self.heartbeat,
            bell=Bell("redis://127.0.0.1:1", slots=1),  # never rung: the loop asks often
            fleet=fleet,
            watch=Watch(Limits(timeout_s=30, cancel_grace_s=5)),
            backend="pt",
            idle_poll_s=0.02,
        )
        self.prompting = Prompting(db, ListeningDoorbell(), offered=_offered, timeout_s=60)
        self.caller = Caller(team_id=team, key_id=None, scopes=frozenset())
        self.db = db

    async def ask(self, wish: FormatWish = WISH, **changes: Any) -> FormattedInput:
        wanted = FormatWish(**{name: getattr(wish, name) for name in wish.__slots__} | changes)
        return await self.prompting(
            self.caller, wanted, request={}, content_type="application/json", request_id="r"
        )

    async def rows(self) -> list[Any]:
        """Status, crashes and result of every task."""
        async with self.db.autocommit() as work:
            connection = work.prompts._connection
            return list(
                await connection.exec_driver_sql("SELECT status, crashes, result FROM tasks ORDER BY seq")
            )

    async def status(self, wanted: str) -> None:
        """Wait until the only task is in this state."""
        for _ in range(500):
            if [row.status for row in await self.rows()] == [wanted]:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"the prompt is never {wanted}")


async def _offered() -> Sequence[str]:
    return (LM,)


@asynccontextmanager
async def answering(
    db: Database, team: TeamId, *, slots: Sequence[Slot] = (), own: Slot | None = None
) -> AsyncIterator[Prompts]:
    prompts = Prompts(db, team, slots, own)
    running = [
        asyncio.create_task(prompts.loop.run()),
        asyncio.create_task(prompts.heartbeat.run_forever()),
    ]
    try:
        yield prompts
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def a_slot(folder: Path, engine: str = "") -> Slot:
    options = EngineOptions(
        models=("acestep-tiny-random",) if engine else (),
        models_dir=str(folder / "models"),
        device="cpu",
        threads=1,
        language_models=(LM,),
    )
    return Slot(SlotOptions(engine_options=options, engine=engine))


@pytest.fixture
async def stub(tmp_path: Path) -> AsyncIterator[Slot]:
    slot = a_slot(tmp_path, STUB)
    await slot.start()
    yield slot
    await slot.stop()


async def test_a_slot_of_their_own_answers_with_the_real_model(
    db: Database, team: TeamId, tmp_path: Path
) -> None:
    own = a_slot(tmp_path)
    async with answering(db, team, own=own) as prompts:
        first = await prompts.ask()
        pid = own.pid
        second = await prompts.ask()
        rows = await prompts.rows()
    assert (first.duration_s, first.vocal_language, first.key_scale) == (180.0, "en", "Am")
    assert first.bpm is None or 30 <= first.bpm <= 300
    assert first.caption
    assert second.caption
    assert pid is not None
    assert own.pid is None  # ended with the loop
    assert [row.status for row in rows] == ["succeeded"] * 2
    record = rows[0].result["lm"]
    assert (record["backend_used"], record["phases"][0]["name"]) == ("pt", "format")


async def test_a_song_does_not_hold_a_prompt_up_and_goes_on(
    db: Database, team: TeamId, stub: Slot, tmp_path: Path
) -> None:
    song = GenerationRequest(
        model="acestep-tiny-random",
        items=(ItemSpec(prompt="sleep=3 steps=60", lyrics="", seed=1),),
        duration=1.0,
        audio_format="wav",
        scratch_dir=str(tmp_path),
    )
    async with answering(db, team, slots=[stub]) as prompts:
        diffusing = asyncio.Event()
        singing = asyncio.create_task(
            stub.generate(
                song, on_progress=lambda stage, *_: diffusing.set() if stage == "diffusing" else None
            )
        )
        await diffusing.wait()
        begun = time.monotonic()
        answer = await prompts.ask()
        waited_s = time.monotonic() - begun
        assert not singing.done()
        result = await singing
    assert answer.caption == "POP ROCK"
    assert waited_s < 2.0  # a step takes 0.05 s, the whole song 3 s
    assert len(result.clips) == 1


async def test_a_prompt_that_kills_the_child_is_tried_again_on_the_next_one(
    db: Database, team: TeamId, tmp_path: Path
) -> None:
    own = a_slot(tmp_path, STUB)
    async with answering(db, team, own=own) as prompts:
        answer = await prompts.ask(prompt="crash once please")
        rows = await prompts.rows()
    assert answer.caption == "CRASH ONCE PLEASE"
    assert [(row.status, row.crashes) for row in rows] == [("succeeded", 1)]


async def test_a_failure_is_the_answer_and_the_next_prompt_is_answered(
    db: Database, team: TeamId, stub: Slot
) -> None:
    async with answering(db, team, slots=[stub]) as prompts:
        with pytest.raises(LanguageModelFailedError):
            await prompts.ask(prompt="fail")
        assert (await prompts.ask()).caption == "POP ROCK"


async def test_a_client_that_leaves_stops_its_prompt(db: Database, team: TeamId, stub: Slot) -> None:
    async with answering(db, team, slots=[stub]) as prompts:
        asking = asyncio.create_task(prompts.ask(prompt="sleep=0.5"))
        await prompts.status("running")
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await prompts.status("cancelled")
        assert (await prompts.ask()).caption == "POP ROCK"
